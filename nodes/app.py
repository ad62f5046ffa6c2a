"""The app: a program of the user's own that asks roles for what it needs, and answers."""

from __future__ import annotations

import asyncio
import shlex
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Interval
from pydantic import PlainSerializer, PlainValidator, PositiveInt, ValidationInfo

from ..apps.app_loop import AppLoop
from ..apps.endpoint import Endpoint
from ..apps.programs import AppFailed, CommandProgram, FunctionProgram, GraphProgram, Program, answer_text
from ..apps.run import Answered, AppRun, Told
from ..errors import CallFailed, CapReached, UsageError
from ..models.chat.asked import Asked
from ..records.message import Message
from ..records.status import Status
from ..records.task import Task
from ..records.text import encodable
from ..web.refusal import Refusal
from .base import CallBound, Context, Incoming, Inputs, Kind, Node, Speakers
from .callables import CallableSort, Given, Imported, is_async
from .daemon_threads import DaemonThreads
from .prompts.base import Ask
from .role import KIND as ROLE
from .role import Role, RoleAnswer, RoleAsk
from .user_calls import first_line

__all__ = ["COMMAND", "KIND", "App", "Command", "is_graph", "nodes_of"]

COMMAND = "command"
"""What a caller admits in `allow` where a file's app is a command."""
_OF_NO_DRAW = {"messages", "model", "seed", "stream", "stream_options"}
"""Fields of a request that do not make it another: who answers, what the run draws by itself, how it is sent."""
_REFUSALS = 32
"""How often an app may go on asking after calls that did not fit, where nothing else is said."""


def is_graph(app: object) -> bool:
    """Whether an app is a graph of LangGraph, compiled or not."""
    return hasattr(app, "ainvoke") or (hasattr(app, "compile") and hasattr(app, "add_node"))


def nodes_of(app: object) -> Mapping[str, Any]:
    """The nodes of a graph of LangGraph by name, each with what it runs; none of anything else."""
    nodes = getattr(getattr(app, "builder", app), "nodes", {})
    return {name: getattr(node, "runnable", node) for name, node in nodes.items()} if isinstance(nodes, dict) else {}


class _AppSort(CallableSort):
    """Functions, and graphs of LangGraph."""

    def fits(self, source: object) -> bool:
        """See `CallableSort.fits`."""
        return not isinstance(source, str | bytes | bytearray) and (callable(source) or is_graph(source))

    def function(self, name: str, source: Any) -> Any:
        """The app itself."""
        if not self.fits(source):
            raise UsageError(f"{self.what} {name!r} is a {type(source).__name__}; {self.remedy}")
        return source

    def parts(self, source: Any) -> tuple[Any, ...]:
        """See `CallableSort.parts`; of a graph the functions of its nodes."""
        nodes = [runnable for _, runnable in sorted(nodes_of(source).items())]
        found = [getattr(node, "func", None) or getattr(node, "afunc", None) for node in nodes]
        return tuple(filter(callable, found)) if is_graph(source) else (source,)


APP = _AppSort("app", "give a function from question to answer, a LangGraph graph, or a command as a list")


@dataclass(frozen=True, slots=True)
class Command:
    """A command line; a file that has one starts nothing unless commands are admitted."""

    words: tuple[str, ...]

    @property
    def name(self) -> str:
        """As a shell would be told."""
        return shlex.join(self.words)

    def check(self, allow: Collection[str]) -> None:
        """For a file that has it.

        Raises:
            UsageError: it is not admitted.
        """
        admitted = (allow,) if isinstance(allow, str) else tuple(allow)
        if COMMAND not in admitted:
            raise UsageError(
                f"app {self.name!r} is a command, and a file is only data: it is started where commands are admitted. "
                f'If you trust it, add --allow {COMMAND} on the command line, or allow=("{COMMAND}",) in Python'
            )


def _source(value: Any, info: ValidationInfo) -> Imported | Given | Command:
    words = value.get(COMMAND) if isinstance(value, dict) and set(value) == {COMMAND} else value
    if isinstance(words, list | tuple) and words and words[0] and all(isinstance(word, str) for word in words):
        words = Command(tuple(words))
    if isinstance(words, Command):
        if info.context is not None and info.context["allow"] is not None:  # it is from a file
            words.check(info.context["allow"])
        return words
    found = APP.named(value, info) or APP.given(value)
    if found is not None:
        return found
    if isinstance(value, str) and value.strip():
        return Command(tuple(shlex.split(value)))
    raise ValueError(f"it is {value!r:.60}; {APP.remedy}, or the name of one, 'my_app:answer'")


def _json(value: Any) -> Any:
    return {COMMAND: list(value.words)} if isinstance(value, Command) else {"import": value.name}


class App(Node):
    """A program that answers a question with the help of roles: a function, a LangGraph graph, or a command.

    Which models answer for its roles, a plan says; the program is as it is. What it may spend is its run's allowance:
    nobody can foresee its calls, so that a run needs `Cap(per_task=...)`.
    """

    kind: ClassVar[str] = "app"

    app: Annotated[
        str | list[str] | Callable[..., Any] | Imported | Given | Command,
        PlainValidator(_source),
        PlainSerializer(_json, return_type=Any),
    ]
    """The function or graph, or its name "module:name"; or the words of a command. In JSON `{"import": "module:name"}`
    or `{"command": [...]}`; either is used only where whoever loads the file admits it."""
    question: str = "question"
    """Of a graph: the key of its input."""
    answer: str = "answer"
    """Of a graph: the key of its output."""
    roles: tuple[tuple[str, str], ...] = ()
    """The roles as the app asks for them, each with its node."""
    steps: tuple[tuple[str, str], ...] = ()
    """The steps that a plan may leave out, as the app calls them, each with its node."""
    strangers: Literal["refuse", "pass"] = "refuse"
    """What becomes of a request for a model that is no role: refused, or passed to the model of that name in the pool.
    Both are counted in the trace."""
    timeout_seconds: Annotated[float, Interval(gt=0.0, le=86_400.0)] = 600.0
    """After so long a run of the app is ended."""
    at_once: PositiveInt = 64
    """The most runs of the app at a time."""
    refusals: PositiveInt = _REFUSALS
    """How many calls that do not fit are refused before the app is ended."""

    def admissions(self) -> tuple[str, ...]:
        """See `Node.admissions`."""
        return (COMMAND,) if isinstance(self.app, Command) else ()


@dataclass(frozen=True, slots=True)
class _Opened:
    """What a node keeps between runs."""

    program: Program
    endpoint: Endpoint
    places: asyncio.Semaphore


@contextmanager
def _open(node: App) -> Iterator[_Opened]:
    source: Any = node.app
    program: Program
    loop: AppLoop | None = None
    threads, endpoint = DaemonThreads(node.at_once), Endpoint()
    if isinstance(source, Command):
        program = CommandProgram(source.words)
    else:
        app = source.function()
        if is_graph(app):
            loop = AppLoop()
            program = GraphProgram(app, node.question, node.answer, loop)
        else:
            loop = AppLoop() if is_async(app) else None
            program = FunctionProgram(app, threads, loop)
    try:
        yield _Opened(program, endpoint, asyncio.Semaphore(node.at_once))
    finally:
        threads.close()
        endpoint.close()
        if loop is not None:
            loop.close()


@dataclass(slots=True)
class _Counts:
    """What an app asked for."""

    asked: Counter[str] = field(default_factory=Counter)
    strangers: Counter[str] = field(default_factory=Counter)
    refused: int = 0


class _Roles:
    """Answers for the roles of one run, see `apps.run.Roles`."""

    def __init__(self, node: App, task: Task, context: Context) -> None:
        self._node = node
        self._task = task
        self._context = context
        self._skipped: set[str] = set()
        self._nodes = dict(node.roles)
        self._numbers: Counter[tuple[str, str]] = Counter()
        self.counts = _Counts()
        self.given_up: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Why the app is ended, once it is."""
        self.problem: Exception | None = None
        """What ends the run, and not only the app."""

    async def answer(self, role: str, asked: Asked, told: Told | None) -> Answered:
        """See `Roles.answer`."""
        node = self._nodes.get(role)
        if node is None:
            return await self._stranger(role, asked, told)
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

    async def look(self) -> None:
        """Asks the plan which steps of the app it leaves out."""
        for step, node in self._node.steps:
            if (await self._context.execute(node, None, 0)).status is Status.SKIPPED:
                self._skipped.add(step)

    async def _stranger(self, name: str, asked: Asked, told: Told | None) -> Answered:
        self.counts.strangers[name] += 1
        if self._node.strangers == "refuse" or name not in self._context.models:
            known = ", ".join(map(repr, self._nodes)) or "none"
            said = (
                f"The model '{name}' is no role of this app; its roles are {known}. Add roles={{{name!r}: Role()}}, or "
                'set strangers="pass" to have the pool\'s model of that name answer.'
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
            self._give_up(first_line(problem))
            message = Message(status=Status.PROVIDER_ERROR, reason=first_line(problem))
        if not isinstance(message.data, RoleAnswer):
            raise self._refusal(name, message)
        return Answered(name, name, message.data.reply)

    def _give_up(self, reason: str) -> None:
        if not self.given_up.done():
            self.given_up.set_result(reason)

    def _refusal(self, role: str, message: Message) -> Refusal:
        """Why there is no reply, as the app is told; an app that goes on for too long is ended."""
        reason = message.reason or message.status.value
        if message.status is Status.BUDGET:
            self.counts.refused += 1
            if self.counts.refused > self._node.refusals:
                self._give_up(f"the app went on asking after {self._node.refusals} calls that did not fit: {reason}")
            said = f"The call of role '{role}' does not fit under the cap: {reason}."
            return Refusal(402, said, code="cap_reached", kind="insufficient_quota", final=True)
        if message.status is Status.REFUSED:
            return Refusal(400, f"The call of role '{role}' was refused: {reason}", code="refused")
        if message.status is Status.TIMEOUT:
            return Refusal(
                504, f"The call of role '{role}' failed: {reason}", code="timeout", kind="server_error", final=True
            )
        said = f"The call of role '{role}' failed: {reason}"
        return Refusal(502, said, code=message.status.value, kind="server_error", final=True)


async def _run(node: App, inputs: Inputs, context: Context) -> Message:
    opened: _Opened = context.resource
    async with opened.places:
        roles = _Roles(node, inputs.task, context)
        await roles.look()
        run = AppRun(roles, dict(node.roles), opened.endpoint.opened)
        with opened.endpoint.serving(run):
            try:
                message = await _answered(node, inputs.question, opened.program, run, roles)
            finally:
                await run.aclose()
    _record(node, roles.counts, context)
    if roles.problem is not None:
        raise roles.problem
    return message


async def _answered(node: App, question: str, program: Program, run: AppRun, roles: _Roles) -> Message:
    """What the app answers, or why it does not."""
    asking = asyncio.ensure_future(_outcome(program, question, run))
    try:
        both: set[asyncio.Future[Any]] = {asking, roles.given_up}
        await asyncio.wait(both, timeout=node.timeout_seconds, return_when=asyncio.FIRST_COMPLETED)
        if roles.given_up.done():
            return Message(status=Status.BUDGET, reason=roles.given_up.result())
        if not asking.done():
            reason = f"the app was not done within timeout_seconds={node.timeout_seconds:g}"
            return Message(status=Status.TIMEOUT, reason=reason)
        value, error = asking.result()
    finally:
        if not asking.done():
            asking.cancel()
            await asyncio.wait({asking}, timeout=_ENDING_SECONDS)
        roles.given_up.cancel()
    return _message(value, error, roles.counts)


_ENDING_SECONDS = 10.0
"""How long an app that was cancelled may take to end, so that a command's processes are gone before its run is."""


async def _outcome(program: Program, question: str, run: AppRun) -> tuple[Any, BaseException | None]:
    """What the app returned or raised, as a value."""
    task = asyncio.current_task()
    try:
        return await program.answer(question, run), None
    except asyncio.CancelledError as error:
        if task is not None and task.cancelling():
            raise
        return None, error
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # noqa: BLE001 - an app may raise anything, sys.exit() too
        return None, error


def _message(value: Any, error: BaseException | None, counts: _Counts) -> Message:
    if error is None:
        try:
            text = encodable(answer_text(value))
        except AppFailed as failed:
            return Message(status=Status.TOOL_ERROR, reason=str(failed))
        if not text.strip():
            return Message(status=Status.SKIPPED, reason="the app answered with an empty text")
        return Message(answer=text)
    if isinstance(error, UsageError):
        raise error
    reason = str(error) if isinstance(error, AppFailed) else first_line(error)
    if counts.refused:
        refused = f"{counts.refused} of the app's calls did not fit, and it gave no answer"
        return Message(status=Status.BUDGET, reason=encodable(f"{refused}: {reason}"))
    return Message(status=Status.TOOL_ERROR, reason=encodable(reason))


def _record(node: App, counts: _Counts, context: Context) -> None:
    more: dict[str, Any] = {"strangers": dict(counts.strangers)} if counts.strangers else {}
    if counts.refused:
        more["refused"] = counts.refused
    unasked = [role for role, _ in node.roles if not counts.asked[role]]
    if unasked:
        more["unasked"] = unasked
    context.record("roles", asked=dict(counts.asked), **more)


def _worst_case(node: App, ask: Ask, incoming: Incoming, speakers: Speakers) -> tuple[CallBound, ...]:
    """Its roles make its calls."""
    return ()


KIND = Kind(config=App, run=_run, worst_case=_worst_case, open=_open, unbounded=True)
