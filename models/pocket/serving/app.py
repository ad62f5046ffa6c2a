"""The routes: the list of models, and chat completions."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ....errors import CallFailed
from ....web.app import GONE, unless_gone
from ....web.event_stream import EventStream
from ....web.refusal import Refusal
from ...chat.asked import SAMPLES_OF_A_SEED
from ...chat.completion import Json
from ...chat.service import ChatService, Form, chat_api, model_fields, unknown_model
from ...request import ChatMessage
from ...request import Request as ModelRequest
from ..model import PocketModel
from ..samples import Samples
from .asked import Asked, read_body
from .completion import Completion
from .places import Places
from .prompts import prompt_of

__all__ = ["build_app"]

_SEEDS = 2**31
_MOST_BYTES = 256 * 1024
"""Of a request's body; a context holds about one hundredth of it."""


def build_app(models: Sequence[PocketModel], queue: int, hosts: Sequence[str] = ()) -> Starlette:
    """The server as an ASGI application; it closes the models at its end.

    Args:
        models: to be served under their cards' names.
        queue: the most samples that run or wait at once.
        hosts: names besides those of the loopback interface that it answers to.
    """
    return chat_api(_Service(models, queue), hosts)


class _Service(ChatService[None]):
    most_bytes = _MOST_BYTES

    def __init__(self, models: Sequence[PocketModel], queue: int) -> None:
        self._models = {model.card.name: model for model in models}
        self._places = Places(queue)
        self._created = int(time.time())

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        yield
        for model in self._models.values():
            await model.aclose()

    def asker(self, request: Request) -> None:
        return None

    def models(self, asker: None) -> list[Json]:
        return [model_fields(name, self._created) for name in self._models]

    def model(self, asker: None, name: str) -> Json:
        return model_fields(self._model(name).card.name, self._created)

    async def answer(self, request: Request, asker: None, body: bytes, form: Form) -> Response | EventStream:
        asked = read_body(body)
        model = self._model(asked.model)
        samples = self._begin(asked, model)
        completion = Completion(asked, samples, f"fp_{model.card.revision}")
        if asked.stream:
            return EventStream(form.events(completion.chunks()), self._attended(samples, asked.n))
        async with self._attended(samples, asked.n):
            content = await unless_gone(request.receive, completion.whole())
        if content is None:
            return Response(status_code=GONE)
        return JSONResponse(form.whole(content))

    def _begin(self, asked: Asked, model: PocketModel) -> Samples:
        requests = _requests(asked, model)
        self._places.take(asked.n)
        try:
            return Samples(
                requests[0],
                lambda watch: model.begin(requests, top_p=asked.top_p, top_logprobs=asked.top_logprobs, watch=watch),
                token_by_token=asked.stream,
            )
        except BaseException as error:
            self._places.give_back(asked.n)
            if isinstance(error, CallFailed):
                message = f"Invalid value for 'max_completion_tokens': {error.reason}."
                raise Refusal(400, message, code="invalid_value", param="max_completion_tokens") from None
            raise

    @asynccontextmanager
    async def _attended(self, samples: Samples, places: int) -> AsyncIterator[None]:
        """Ends the samples at the latest at the end, and gives their places back."""
        try:
            yield
        finally:
            samples.cancel()
            self._places.give_back(places)

    def _model(self, name: str) -> PocketModel:
        if name not in self._models:
            raise unknown_model(name, list(self._models))
        return self._models[name]


def _requests(asked: Asked, model: PocketModel) -> list[ModelRequest]:
    """One request a sample, as the embedded model would be asked.

    Raises:
        Refusal: the prompt does not fit the context.
    """
    messages = _as_read(asked.messages)
    tokens, context = model.count_tokens(messages), model.card.context_tokens
    if tokens >= context:
        message = (
            f"This model's maximum context length is {context} tokens, and the reply needs at least one of them. "
            f"However, your messages resulted in {tokens} tokens. Please shorten the question or its passages."
        )
        raise Refusal(400, message, code="context_length_exceeded", param="messages")
    first = secrets.randbelow(_SEEDS) if asked.seed is None else asked.seed
    return [
        ModelRequest(
            model=model.card.name,
            messages=messages,
            max_output_tokens=asked.max_tokens or model.card.max_output_tokens,
            temperature=asked.temperature,
            seed=seed,
            sample=sample,
            stop=asked.stop,
            response_schema=asked.schema,
            tools=asked.tools,
            tool_choice=asked.tool_choice,
        )
        for seed, sample in (divmod(first + index, SAMPLES_OF_A_SEED) for index in range(asked.n))
    ]


def _as_read(messages: Sequence[ChatMessage]) -> tuple[ChatMessage, ...]:
    """The prompt, with the calls and results behind it; before it the calls whose ids are taken."""
    last = max(place for place, message in enumerate(messages) if message.role == "user")
    before = [message for message in messages[:last] if message.tool_calls]
    after = [message for message in messages[last + 1 :] if message.tool_calls or message.role == "tool"]
    return (*before, ChatMessage("user", prompt_of(messages)), *after)
