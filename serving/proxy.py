"""The proxy: any OpenAI client in front of a pool, under hard caps."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..budgets.cap import Cap
from ..budgets.ledger import Ledger
from ..errors import ApportionError, CapReached, UnknownName
from ..models.card import ModelCard
from ..models.chat.asked import Asked, fresh, read_asked
from ..models.chat.completion import CompletionWriter, Json
from ..models.chat.responses import chat_body, response_events, response_of
from ..models.delta import Delta
from ..models.metered import MeteredCaller
from ..models.pool import Pool
from ..models.request import Reply
from ..records.protocols import StudyStore
from ..web.app import GONE, api, body_of, unless_gone
from ..web.event_stream import EventStream
from ..web.refusal import Refusal
from ..web.server import Server
from .accounts import Accounts
from .door import MOST_BYTES, bound_to, key_of, let_in
from .keys import Key, Keys
from .outcomes import OutcomesLog
from .periods import Period
from .refusals import refusal_of
from .traced import TracedCall

__all__ = ["ProxyServer"]


class ProxyServer(Server):
    """Serves the models of a pool to any OpenAI client: metered, capped, traced.

    Either `run` it, or use it as a context manager, which runs it in a thread::

        with ProxyServer(pool, store, cap=Cap(total=1e6)) as server:
            client = OpenAI(base_url=server.base_url, api_key="none")

    Every call is reserved for, on the account of its key and on that of all, before it is sent. The caps hold for all
    processes that serve on the same store. At the end the pool's connections are closed; the store is the caller's.

    Args:
        pool: the models.
        store: the books.
        cap: what all calls may spend in a period together, as `total`.
        period: how long a cap lasts, in UTC.
        keys: who may ask; None: anybody, on the loopback interface only.
        outcomes: a file for what was asked and answered, see `OutcomesLog`.
        max_output_tokens: the output cap of requests that name none; None: that of the model's card.
        host: an address to listen on.
        port: 0 takes a free one.
        allow_hosts: names besides those of the loopback interface that a request may be addressed to.
        grace_seconds: how long requests in flight may take after a stop; what is then in flight is lost at its bound.
        request_seconds: how long a request may take to arrive.
        now: seconds since the epoch.

    Raises:
        UsageError: the cap is none, or other than on the books; the host needs keys; the port is taken.
    """

    def __init__(
        self,
        pool: Pool,
        store: StudyStore,
        *,
        cap: Cap,
        period: Period = "none",
        keys: Keys | None = None,
        outcomes: Path | None = None,
        max_output_tokens: int | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        allow_hosts: Sequence[str] = (),
        grace_seconds: int = 30,
        request_seconds: float = 30.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        store.conceal(pool.secrets)
        ledger = Ledger(store, store.owner)
        service = _Service(
            pool,
            store,
            MeteredCaller(pool, ledger, store, facts=store),
            Accounts(ledger, Cap.given(cap), period, now, keys=() if keys is None else keys.all),
            keys,
            None if outcomes is None else OutcomesLog(outcomes, cap.unit, pool.secrets),
            max_output_tokens,
            int(now()),
        )
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


@dataclass(frozen=True, slots=True)
class _Service:
    """What the routes share."""

    pool: Pool
    store: StudyStore
    caller: MeteredCaller
    accounts: Accounts
    keys: Keys | None
    outcomes: OutcomesLog | None
    max_output_tokens: int | None
    created: int

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await self.pool.aclose()
            if self.outcomes is not None:
                self.outcomes.close()

    async def health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def list_models(self, request: Request) -> Response:
        key = self._key(request)
        served = [card for card in self.pool.cards if key.may_ask(card.name)]
        return JSONResponse({"object": "list", "data": [self._description(card) for card in served]})

    async def show_model(self, request: Request) -> Response:
        return JSONResponse(self._description(self._card(self._key(request), request.path_params["name"])))

    async def complete(self, request: Request) -> Response | EventStream:
        key = self._key(request)
        return await self._answer(request, key, read_asked(await body_of(request, MOST_BYTES)))

    async def respond(self, request: Request) -> Response | EventStream:
        key = self._key(request)
        asked = read_asked(chat_body(await body_of(request, MOST_BYTES)))
        return await self._answer(request, key, asked, response=True)

    async def _answer(
        self, request: Request, key: Key, asked: Asked, *, response: bool = False
    ) -> Response | EventStream:
        """Answers as a chat completion, or as a response."""
        card = self._card(key, asked.model)
        made = asked.request(card, max_output_tokens=self.max_output_tokens)
        if asked.draws or (asked.seed is None and not card.temperature):
            made = fresh(made)  # whoever asks again wants another answer
        account = await let_in(self.accounts, key)
        call = TracedCall(self.caller, self.store, account, made, key.name or "anybody")
        headers = {"x-apportion-run-id": call.run_id}
        if asked.stream:
            chunks = self._chunks(call, asked)
            return EventStream(response_events(chunks) if response else chunks, headers=headers)
        reply = await unless_gone(request.receive, self._whole(call, asked))
        if reply is None:
            return Response(status_code=GONE)
        told = call.account
        headers |= {"x-apportion-cached": str(call.cached).lower()}
        headers |= {f"x-apportion-charged-{unit}": f"{value:.12g}" for unit, value in told["charged"].items()}
        completion = CompletionWriter(asked.model).whole(reply, {"x_apportion": told})
        return JSONResponse(response_of(completion) if response else completion, headers=headers)

    async def _whole(self, call: TracedCall, asked: Asked) -> Reply:
        try:
            reply = await call.whole()
        except ApportionError as error:
            raise self._refusal(error) from error
        self._log(call, reply, asked.metadata)
        return reply

    async def _chunks(self, call: TracedCall, asked: Asked) -> AsyncGenerator[Json, None]:
        writer, begun = CompletionWriter(asked.model, include_usage=asked.include_usage), False
        try:
            async with aclosing(call.stream()) as items:
                async for item in items:
                    if not begun:
                        begun = True
                        yield writer.first()
                    if isinstance(item, Delta):
                        yield writer.delta(item)
                        continue
                    self._log(call, item, asked.metadata)
                    for chunk in writer.last(item, {"x_apportion": call.account}):
                        yield chunk
        except ApportionError as error:
            raise self._refusal(error) from error

    def _refusal(self, error: ApportionError) -> Refusal:
        return self.accounts.refusal(error) if isinstance(error, CapReached) else refusal_of(error)

    def _log(self, call: TracedCall, reply: Reply, metadata: Mapping[str, Any]) -> None:
        if self.outcomes is not None and not call.cached:
            self.outcomes.add(call.run_id, call.request, reply, call.cost, metadata)

    def _key(self, request: Request) -> Key:
        return key_of(self.keys, request)

    def _card(self, key: Key, name: str) -> ModelCard:
        served = [each for each in self.pool.names if key.may_ask(each)]
        if name not in served:
            message = str(UnknownName("model", name, served))
            raise Refusal(404, message[:500], code="model_not_found", param="model")
        return self.pool.card(name)

    def _description(self, card: ModelCard) -> Json:
        return {"id": card.name, "object": "model", "created": self.created, "owned_by": card.provider or "apportion"}
