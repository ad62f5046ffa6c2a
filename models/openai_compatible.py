"""Models behind an OpenAI-compatible endpoint: chat completions over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any
from zlib import crc32

from ..errors import CallFailed, OtherModel, PoolError
from ..records.status import Status
from .call_bounds import call_bounds
from .card import ModelCard
from .delta import Delta
from .effort import Effort
from .endpoint import Endpoint, Transport, check_urls
from .endpoint_options import PLAIN, EndpointOptions
from .event_loops import PerLoop
from .line import Line
from .replicas import Replicas
from .replies.completion import read_reply
from .replies.stream_reader import StreamReader
from .request import ChatMessage, Reply, Request
from .request_fields import OF_A_CALLER
from .system_role import as_sent, fields_as_sent
from .token_ranks import TokenCounter, with_tokenizer

__all__ = ["OpenAIModel"]

_TOP_LOGPROBS = 5
"""The likeliest tokens asked for at each position; all servers known to return any admit as many."""
_SEEDS = 2**31


class OpenAIModel:
    """A model that an OpenAI-compatible endpoint serves (OpenAI, vLLM, SGLang, llama.cpp, Ollama, LM Studio, ...).

    Requests hold only what the card admits, because servers either refuse or silently ignore the rest. At each endpoint
    at most `card.concurrency` calls of an event loop run at once, and calls leave at the pace of
    `card.requests_per_minute` and `card.tokens_per_minute`, whatever runs of the process they belong to.

    Args:
        card: what is known of the model.
        base_url: the endpoint, such as "http://localhost:8000/v1"; several URLs are replicas, see `Replicas`.
        api_key_env: the environment variable that holds the key; empty where none is needed.
        api_key: the key itself, for callers that keep keys elsewhere.
        transport: see `Endpoint`.
        options: see `Endpoint`.

    Raises:
        PoolError: the endpoint cannot be used as given.
    """

    announces = True
    """See `Model`: a call waits for its turn and for a connection."""

    def __init__(
        self,
        card: ModelCard,
        base_url: str | Sequence[str],
        *,
        api_key_env: str = "",
        api_key: str = "",
        transport: Transport | None = None,
        options: EndpointOptions = PLAIN,
    ) -> None:
        urls = (base_url,) if isinstance(base_url, str) else base_url
        check_urls(urls)
        ways: dict[str, Any] = {"api_key_env": api_key_env, "api_key": api_key, "transport": transport}
        self._begin(card, [Endpoint(url, **ways, options=options) for url in urls])

    @classmethod
    def on(cls, card: ModelCard, endpoints: Endpoint | Sequence[Endpoint]) -> OpenAIModel:
        """A model on endpoints that it may share with others."""
        model = cls.__new__(cls)
        model._begin(card, [endpoints] if isinstance(endpoints, Endpoint) else endpoints)
        return model

    def _begin(self, card: ModelCard, endpoints: Sequence[Endpoint]) -> None:
        if not endpoints:
            raise PoolError("field 'base_urls': names no endpoint; give at least one URL")
        self._card = with_tokenizer(card)
        self._replicas = Replicas(card, endpoints)
        self._lines = PerLoop(lambda: Line(self._replicas, card.concurrency))
        self._counter = TokenCounter.of(self._card)

    @property
    def card(self) -> ModelCard:
        """What is known of it."""
        return self._card

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Where it is served."""
        return self._replicas.endpoints

    @property
    def replicas(self) -> Replicas:
        """How its endpoints stand."""
        return self._replicas

    def __repr__(self) -> str:
        return f"OpenAIModel({self._card.name!r}, {', '.join(map(repr, self.endpoints))})"

    async def complete(self, request: Request) -> Reply:
        """One attempt, at one endpoint.

        Raises:
            CallFailed: with a typed status; see `Endpoint.complete` and `read_reply`.
            OtherModel: the endpoint answers as another model than its replicas.
        """
        reply, _ = await self.exchange(self.body(request), request)
        return reply

    async def exchange(self, fields: Mapping[str, Any], request: Request) -> tuple[Reply, bytes]:
        """Sends a request of these fields, when it is its turn.

        Args:
            fields: of the request, as they are sent.
            request: what bounds it.

        Returns:
            The reply, and the body of the answer.

        Raises:
            CallFailed, OtherModel: as `complete`.
        """
        content, tokens = _encoded(fields), self._tokens(request)
        line = self._lines.get()
        replica, ejections = await line.take(tokens)
        try:
            body = await replica.endpoint.complete(content, self._card.timeout_seconds)
            reply = read_reply(body, lambda: call_bounds(self, request), tools=bool(request.tools))
        except CallFailed as failure:
            self._replicas.failed(replica, ejections, failure, asyncio.get_running_loop().time())
            raise
        finally:
            line.give(replica)
        self._replicas.answered(replica, ejections, reply)
        return reply, body

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        """See `StreamingModel`: one attempt, at one endpoint.

        Raises:
            CallFailed, OtherModel: as `complete`, also after deltas.
        """
        if self._card.streaming == "none":
            yield await self.complete(request)
            return
        fields = self.body(request) | {"stream": True}
        if self._card.streaming == "usage":
            fields["stream_options"] = {"include_usage": True}
        content, tokens = _encoded(fields), self._tokens(request)
        line = self._lines.get()
        replica, ejections = await line.take(tokens)
        try:
            reader, named = StreamReader(lambda: call_bounds(self, request), tools=bool(request.tools)), False
            async with (
                aclosing(replica.endpoint.stream(content, self._card.timeout_seconds)) as body,
                aclosing(reader.read(body)) as deltas,
            ):
                async for delta in deltas:
                    if reader.model and not named:  # before anything is given on of what may be another model's
                        named, begun = True, Reply("", "stop", None, response_model=reader.model)
                        self._replicas.answered(replica, ejections, begun)
                    yield delta
            reply = reader.reply()
        except CallFailed as failure:
            if not isinstance(failure, OtherModel):
                self._replicas.failed(replica, ejections, failure, asyncio.get_running_loop().time())
            raise
        finally:
            line.give(replica)
        self._replicas.answered(replica, ejections, reply)
        yield reply

    def _tokens(self, request: Request) -> int:
        """The most that a call takes, where that has a pace."""
        if self._card.tokens_per_minute is None:
            return 0
        bounds = call_bounds(self, request)
        tokens = bounds.input_tokens + bounds.output_tokens
        if not self._replicas.admits(tokens):
            raise _not_sent(
                f"a call of up to {tokens:,} tokens never fits tokens_per_minute = {self._card.tokens_per_minute:,} in "
                f"the card of model {self._card.name!r}; lower max_output_tokens or raise that field"
            )
        return tokens

    def count_tokens(self, messages: Sequence[ChatMessage]) -> int | None:
        """The number of prompt tokens, template included, where the tokenizer is exact and its ranks are at hand."""
        if self._counter is None:
            return None
        return self._counter.count([text for _, text in as_sent(messages, self._card.system_role)])

    async def aclose(self) -> None:
        """Closes the endpoints' connections of the running loop; all may be used again afterwards."""
        line = self._lines.pop()
        if line is not None:
            await line.aclose()
        for endpoint in self.endpoints:
            await endpoint.aclose()

    def body(self, request: Request) -> dict[str, Any]:
        """The fields of the request that is sent.

        Raises:
            CallFailed: the card does not admit what is asked.
        """
        card = self._card
        if card.output_cap == "ignored":
            raise _not_sent(f"model {card.name!r} has no output cap (output_cap = 'ignored' in its card)")
        fields: dict[str, Any] = {
            "model": card.served_as or card.name,
            "messages": fields_as_sent(request.conversation, card.system_role),
            card.output_cap: min(request.max_output_tokens, card.max_output_tokens),
        }
        if card.temperature:
            fields["temperature"] = request.temperature
        if card.seed:
            # Each sample of each node is a draw of its own.
            fields["seed"] = (request.seed * 65_537 + request.sample + crc32(request.source.encode())) % _SEEDS
        if request.stop:
            fields["stop"] = request.stop
        if request.tools:
            if not card.tools:
                raise _not_sent(f"model {card.name!r} takes no tools (tools = false in its card)")
            fields["tools"] = json.loads(request.tools)
            fields["tool_choice"] = request.tool_choice
        if request.prefix:
            _continue_last(fields, card)
        if request.logprobs and card.logprobs:
            fields |= {"logprobs": True, "top_logprobs": _TOP_LOGPROBS}
        if request.response_schema and card.json_schema:
            schema = {"name": "reply", "schema": json.loads(request.response_schema)}
            fields["response_format"] = {"type": "json_schema", "json_schema": schema}
        fields.update(card.extra_body)
        if request.effort_fields:
            _add_effort(fields, request.effort_fields)
        if request.further:
            _add_further(fields, request.further)
        return fields


def _encoded(fields: Mapping[str, Any]) -> bytes:
    """The body of a request."""
    try:
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError as error:
        raise _not_sent(f"a message holds a lone surrogate, which is no text in UTF-8: {error}") from None


def _continue_last(fields: dict[str, Any], card: ModelCard) -> None:
    """Says that the last message is the beginning of the reply, in the endpoint's way."""
    if card.prefix == "none":
        raise _not_sent(f"model {card.name!r} continues no reply (prefix = 'none' in its card)")
    if card.prefix == "flag":
        fields["messages"][-1]["prefix"] = True
    if card.prefix == "continue_final_message":
        fields |= {"continue_final_message": True, "add_generation_prompt": False}


def _add_effort(fields: dict[str, Any], effort_fields: str) -> None:
    """Adds the fields of an effort, none of which may take the place of one that the ledger relies on."""
    try:
        added = Effort.model_validate(json.loads(effort_fields)).model_extra or {}
    except ValueError as fault:
        raise _not_sent(f"effort_fields {effort_fields!r} cannot be sent: {fault}") from None
    fields.update(added)


def _add_further(fields: dict[str, Any], further: str) -> None:
    added = json.loads(further)
    odd = sorted(added.keys() - OF_A_CALLER)
    if odd:
        raise _not_sent(f"further holds {odd[0]!r}, which no request may set by itself")
    fields.update(added)


def _not_sent(reason: str) -> CallFailed:
    return CallFailed(Status.REFUSED, reason, billed=False)
