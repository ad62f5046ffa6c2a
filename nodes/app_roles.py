"""Who answers for the roles of one run of an app: its plan, and what is counted on the way."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..apps.run import Answered, Told
from ..errors import CallFailed, CapReached
from ..models.chat.asked import Asked
from ..records.message import Message
from ..records.status import Status
from ..records.task import Task
from ..web.refusal import Refusal
from .base import Context, Inputs
from .role import KIND as ROLE
from .role import Role, RoleAnswer, RoleAsk
from .user_calls import first_line

__all__ = ["AppRoles", "Counts", "UnknownModels"]

UnknownModels = Literal["refuse", "pass"]
"""What becomes of a request for a model that is no role."""
_OF_NO_DRAW = {"messages", "model", "seed", "stream", "stream_options"}
"""Fields of a request that do not make it another: who answers, what the run draws by itself, how it is sent."""


@dataclass(slots=True)
class Counts:
    """What an app asked for in one run."""

    asked: Counter[str] = field(default_factory=Counter)
    """Requests by role."""
    unknown_models: Counter[str] = field(default_factory=Counter)
    """Requests for models that are no role, by name."""
    refused: int = 0
    """Calls that did not fit."""


_MOST_STRANGERS = 64
"""Names that are counted by themselves."""
_LONGEST_NAME = 200
"""Characters of such a name that are kept."""
_OTHERS = "others"
"""What further names are counted as."""
_CAP_REACHED = "cap_reached"


class AppRoles:
    """Answers for the roles of one run, see `apps.run.Roles`.

    Args:
        roles: by the name that the app asks for, the node that stands for it.
        task: of the run.
        context: of the app.
        unknown_models: what becomes of a request for a model that is no role.
        refusals: how many calls may get no reply before the app is ended.
    """

    def __init__(
        self, roles: Mapping[str, str], task: Task, context: Context, unknown_models: UnknownModels, refusals: int
    ) -> None:
        self._task = task
        self._context = context
        self._skipped: set[str] = set()
        self._nodes = dict(roles)
        self._unknown_models: UnknownModels = unknown_models
        self._refusals = refusals
        self._numbers: Counter[tuple[str, str]] = Counter()
        self.counts = Counts()
        self._unanswered = 0
        self.given_up: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        """Why the app is ended, once it is."""
        self.problem: Exception | None = None
        """What ends the run, and not only the app."""

    async def answer(self, role: str, asked: Asked, told: Told | None) -> Answered:
        """See `Roles.answer`."""
        try:
            return await self._answer(role, asked, told)
        except Refusal as refusal:
            self._unanswered += 1
            if self._unanswered > self._refusals:
                status = Status.BUDGET if refusal.code == _CAP_REACHED else Status.TOOL_ERROR
                reason = f"the app went on asking after {self._refusals:,} calls without a reply: {refusal.message}"
                self._give_up(status, reason)
            raise

    async def _answer(self, role: str, asked: Asked, told: Told | None) -> Answered:
        node = self._nodes.get(role)
        if node is None:
            return await self._unknown_model(role, asked, told)
        self.counts.asked[role] += 1
        ask = RoleAsk(asked, self._number(node, asked), told)
        message = await self._context.execute(node, ask, self.counts.asked[role] - 1)
        if not isinstance(message.data, RoleAnswer):
            raise self._refusal(role, message)
        return Answered(role, message.data.model, message.data.reply)

    def _number(self, node: str, asked: Asked) -> int:
        """How often this run has asked the same before, so that the next is another draw."""
        key = node, f"{asked.messages!r} {asked.body.model_dump_json(exclude=_OF_NO_DRAW)}"
        self._numbers[key] += 1
        return self._numbers[key] - 1

    def skips(self, node: str) -> bool:
        """See `Roles.skips`."""
        return node in self._skipped

    async def look(self, steps: Mapping[str, str]) -> None:
        """Asks the plan which steps of the app it leaves out; `steps` has their nodes by the app's names."""
        for step, node in steps.items():
            if (await self._context.execute(node, None, 0)).status is Status.SKIPPED:
                self._skipped.add(step)

    async def _unknown_model(self, name: str, asked: Asked, told: Told | None) -> Answered:
        seen, short = self.counts.unknown_models, name[:_LONGEST_NAME]
        seen[short if short in seen or len(seen) < _MOST_STRANGERS else _OTHERS] += 1
        if self._unknown_models == "refuse" or name not in self._context.models:
            known = ", ".join(map(repr, self._nodes)) or "none"
            said = (
                f"The model '{short}' is no role of this app; its roles are {known}. "
                f"Add roles={{{short!r}: Role()}}, or set "
                'unknown_models="pass" to have the pool\'s model of that name answer.'
            )
            raise Refusal(404, said, code="model_not_found", param="model")
        inputs = Inputs(self._task, "", {}, asked=RoleAsk(asked, self._number(name, asked), told))
        try:
            message = await ROLE.run(Role(models=name), inputs, self._context)
        except CapReached as reached:
            message = Message(status=Status.BUDGET, reason=str(reached))
        except CallFailed as failure:
            message = Message(status=failure.status, reason=failure.reason)
        except Exception as problem:  # noqa: BLE001 - it ends the run, and not only the app's call
            self.problem = problem
            self._give_up(Status.PROVIDER_ERROR, first_line(problem))
            message = Message(status=Status.PROVIDER_ERROR, reason=first_line(problem))
        if not isinstance(message.data, RoleAnswer):
            raise self._refusal(name, message)
        return Answered(name, name, message.data.reply)

    def _give_up(self, status: Status, reason: str) -> None:
        if not self.given_up.done():
            self.given_up.set_result(Message(status=status, reason=reason))

    def _refusal(self, role: str, message: Message) -> Refusal:
        """Why there is no reply, as the app is told."""
        reason = message.reason or message.status.value
        if message.status is Status.BUDGET:
            self.counts.refused += 1
            said = f"The call of role '{role}' does not fit under the cap: {reason}."
            return Refusal(402, said, code=_CAP_REACHED, kind="insufficient_quota", final=True)
        if message.status is Status.REFUSED:
            return Refusal(400, f"The call of role '{role}' was refused: {reason}", code="refused")
        if message.status is Status.TIMEOUT:
            return Refusal(
                504, f"The call of role '{role}' failed: {reason}", code="timeout", kind="server_error", final=True
            )
        said = f"The call of role '{role}' failed: {reason}"
        return Refusal(502, said, code=message.status.value, kind="server_error", final=True)
