"""A policy as a model: any OpenAI client asks it, and each question is answered by the plan that is worth its cost."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..budgets.cap import Cap
from ..budgets.ledger import Ledger
from ..errors import ApportionError, CapReached, SpendExhausted, UnknownName, UsageError
from ..graphs.bounds import check_allowance
from ..graphs.finishing import output_of_graph
from ..models.chat.asked import Asked, read_asked
from ..models.chat.completion import CompletionWriter, Json
from ..models.chat.fields import SchemaFormat
from ..models.chat.responses import chat_body, response_events, response_of
from ..models.delta import deltas_of
from ..models.request import Reply
from ..optimizers.serving.answer import Served
from ..optimizers.serving.open_policy import OpenPolicy
from ..optimizers.serving.policy import DeployedPolicy
from ..records.output import JsonOutput, Output
from ..records.protocols import StudyStore
from ..records.status import Status
from ..records.task import Task
from ..tasks.chat_question import question_of
from ..web.app import GONE, api, body_of, unless_gone
from ..web.event_stream import EventStream
from ..web.fields import unsupported
from ..web.refusal import Refusal
from ..web.server import Server
from .accounts import Accounts
from .door import MOST_BYTES, bound_to, key_of, let_in
from .keys import Key, Keys
from .periods import Period
from .refusals import refusal_of
from .traced import in_units

__all__ = ["PolicyServer"]

_LISTED = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Places of the dial in the list of models; any other with up to three digits is served too."""
_DIGITS = 3


class PolicyServer(Server):
    """Serves a policy to any OpenAI client, as the model `policy`.

    `policy@0.2` is the same policy at another place of its dial, and `arm/NAME` one of its arms, whatever the policy
    would choose. Either `run` it, or use it as a context manager, which runs it in a thread.

    Args:
        policy: answers.
        store: the books.
        cap: what all questions may spend in a period together, as `total`; None: they are only counted.
        per_question: the most that a question may spend, in the unit of `cap`.
        period, keys, host, port, allow_hosts, grace_seconds, request_seconds, now: as for `ProxyServer`.

    Raises:
        UsageError: the cap is none, or other than on the books; the host needs keys; the port is taken.
    """

    def __init__(
        self,
        policy: DeployedPolicy,
        store: StudyStore,
        *,
        cap: Cap | None = None,
        per_question: Cap | None = None,
        period: Period = "none",
        keys: Keys | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        allow_hosts: Sequence[str] = (),
        grace_seconds: int = 30,
        request_seconds: float = 30.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        if per_question is not None and (per_question.per_task is None or per_question.total is not None):
            raise UsageError("per_question is for each question: Cap(per_task=...), without total")
        check_allowance(policy.graph, per_question)
        service = _Service(policy, store, cap, per_question, period, keys, now)
        bound, names = bound_to(host, port, keys, allow_hosts)
        routes = [
            Route("/health", service.health),
            Route("/v1/models", service.list_models),
            Route("/v1/models/{name:path}", service.show_model),
            Route("/v1/chat/completions", service.complete, methods=["POST"]),
            Route("/v1/responses", service.respond, methods=["POST"]),
        ]
        app = api(routes, names, service.lifespan)
        super().__init__(app, bound, request_seconds=request_seconds, grace_seconds=grace_seconds)


class _Service:
    """What the routes share; opened in the loop that serves."""

    def __init__(
        self,
        policy: DeployedPolicy,
        store: StudyStore,
        cap: Cap | None,
        per_question: Cap | None,
        period: Period,
        keys: Keys | None,
        now: Callable[[], float],
    ) -> None:
        self._policy, self._store, self._keys, self._now = policy, store, keys, now
        self._cap, self._per_question, self._period = cap, per_question, period
        self._created = int(now())
        self._output = output_of_graph(policy.graph.blueprint)
        self._arms = [f"arm/{arm.name}" for arm in policy.arms]
        self._open: OpenPolicy | None = None
        self._accounts: Accounts | None = None
        # Made once for each place: to decide at another budget, all reference questions are looked at anew.
        self._at = lru_cache(maxsize=64)(self._dialled)
        known = () if keys is None else keys.all
        Accounts(Ledger(store, store.owner), cap, period, now, name="serve", keys=known)  # its errors are told of now

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        async with self._policy.opened(store=self._store) as opened:
            self._open = opened
            ledger = Ledger(self._store, self._store.owner)
            self._accounts = Accounts(
                ledger, self._cap, self._period, self._now, name="serve", open_account=opened.open_account
            )
            try:
                yield
            finally:
                await self._policy.aclose()

    async def health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def list_models(self, request: Request) -> Response:
        key = key_of(self._keys, request)
        served = [name for name in ("policy", *(f"policy@{x:g}" for x in _LISTED), *self._arms) if key.may_ask(name)]
        return JSONResponse({"object": "list", "data": [self._description(name) for name in served]})

    async def show_model(self, request: Request) -> Response:
        name = request.path_params["name"]
        self._answers(key_of(self._keys, request), name)
        return JSONResponse(self._description(name))

    async def complete(self, request: Request) -> Response | EventStream:
        key = key_of(self._keys, request)
        return await self._answer(request, key, read_asked(await body_of(request, MOST_BYTES)))

    async def respond(self, request: Request) -> Response | EventStream:
        key = key_of(self._keys, request)
        asked = read_asked(chat_body(await body_of(request, MOST_BYTES)))
        return await self._answer(request, key, asked, response=True)

    async def _answer(
        self, request: Request, key: Key, asked: Asked, *, response: bool = False
    ) -> Response | EventStream:
        """Answers as a chat completion, or as a response."""
        assert self._accounts is not None
        policy, arm = self._answers(key, asked.model)
        task = _task(asked, self._output)
        account = await let_in(self._accounts, key)
        answering = self._served(policy, arm, task, account)
        writer = CompletionWriter(asked.model, include_usage=asked.include_usage)
        if asked.stream:
            chunks = _chunks(writer, answering, asked.model)
            return EventStream(response_events(chunks) if response else chunks)
        served = await unless_gone(request.receive, answering)
        if served is None:
            return Response(status_code=GONE)
        completion = writer.whole(_reply(served), {"x_apportion": _account(asked.model, served)})
        return JSONResponse(response_of(completion) if response else completion)

    async def _served(self, policy: OpenPolicy, arm: str, task: Task, account: str) -> Served:
        assert self._accounts is not None
        try:
            if arm:
                served = await policy.ainvoke_arm(arm, task, cap=self._per_question, parent_account=account)
            else:
                served = await policy.ainvoke(task, cap=self._per_question, parent_account=account)
        except CapReached as error:
            raise self._accounts.refusal(error) from error
        except SpendExhausted as error:
            raise _does_not_fit(str(error)) from error
        except ApportionError as error:
            raise refusal_of(error) from error
        if served.status is Status.BUDGET and not served.answer:
            raise _does_not_fit(served.reason)
        if served.status not in (Status.OK, Status.SKIPPED) and not served.answer:
            message = f"There is no answer ({served.status.value}): {served.reason}"
            raise Refusal(502, message[:500], code="no_answer", kind="server_error", final=True)
        return served

    def _answers(self, key: Key, name: str) -> tuple[OpenPolicy, str]:
        """What answers under the name of a model: the policy at a place of its dial, and the arm where one is named."""
        assert self._open is not None
        if key.may_ask(name):
            if name == "policy":
                return self._open, ""
            if name in self._arms:
                return self._open, name.partition("/")[2]
            place = _place(name)
            if place is not None:
                return self._at(place), ""
        known = [each for each in ("policy", "policy@0.5", *self._arms) if key.may_ask(each)]
        message = str(UnknownName("model", name, known))
        raise Refusal(404, message[:500], code="model_not_found", param="model")

    def _dialled(self, place: float) -> OpenPolicy:
        assert self._open is not None
        return self._open.dial(place)

    def _description(self, name: str) -> Json:
        return {"id": name, "object": "model", "created": self._created, "owned_by": "apportion"}


async def _chunks(writer: CompletionWriter, answering: Awaitable[Served], model: str) -> AsyncGenerator[Json, None]:
    served = await answering
    reply = _reply(served)
    yield writer.first()
    for delta in deltas_of(reply):
        yield writer.delta(delta)
    for chunk in writer.last(reply, {"x_apportion": _account(model, served)}):
        yield chunk


def _task(asked: Asked, output: Output) -> Task:
    """The conversation as a question; what a plan decides itself may be asked for, and has no effect."""
    wanted = asked.body.response_format
    if wanted is not None and wanted.type != "text" and not isinstance(output, JsonOutput):
        raise unsupported("response_format", "is not taken by this policy, whose answers are no JSON.")
    if isinstance(wanted, SchemaFormat) and isinstance(output, JsonOutput):
        schema = wanted.json_schema.json_schema
        if schema is not None and schema != json.loads(output.schema):
            raise unsupported("response_format", "names another schema than the one that the policy answers by.")
    if asked.body.tools or any(message.tool_calls or message.role == "tool" for message in asked.messages):
        raise unsupported("tools", "is not taken by a policy, whose plans call tools of their own.")
    messages = [{"role": message.role, "content": message.content} for message in asked.messages]
    try:
        return Task.asking(question_of(messages))
    except UsageError as error:
        raise Refusal(400, str(error), code="invalid_value", param="messages") from None


def _place(name: str) -> float | None:
    """The place of the dial that a name of a model says, or None."""
    head, _, written = name.partition("@")
    whole, _, digits = written.partition(".")
    if head != "policy" or whole not in ("0", "1") or len(digits) > _DIGITS or not f"{whole}{digits}".isdecimal():
        return None
    place = float(written)
    return place if written.isascii() and 0 <= place <= 1 else None


def _reply(served: Served) -> Reply:
    """The answer as a model's reply; where the policy leaves a question out, its reason as a refusal."""
    if served.status is Status.SKIPPED and not served.answer:
        return Reply(served.reason, "refusal", served.usage)
    return Reply(served.answer, "stop", served.usage)


def _account(model: str, served: Served) -> Mapping[str, Any]:
    """What a question came to, for the client."""
    return {
        "run_id": served.run_ids[-1] if served.run_ids else None,
        "run_ids": list(served.run_ids),
        "model": model,
        "arm": served.arm,
        "stages": len(served.run_ids),
        "status": served.status.value,
        "confidence": served.confidence,
        "charged": in_units(served.charged),
        "lost": in_units(served.lost),
    }


def _does_not_fit(reason: str) -> Refusal:
    message = f"The question does not fit the cap: {reason}"
    return Refusal(402, message[:500], code="cap_reached", kind="insufficient_quota", final=True)
