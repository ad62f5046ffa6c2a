"""The routes: the list of models, and chat completions."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ....errors import CallFailed
from ....web.app import GONE, api, body_of, unless_gone
from ....web.event_stream import EventStream
from ....web.refusal import Refusal
from ...chat.asked import SAMPLES_OF_A_SEED
from ...chat.responses import chat_body, response_events, response_of
from ...request import ChatMessage
from ...request import Request as ModelRequest
from ..model import PocketModel
from ..samples import Samples
from .asked import Asked, read_body
from .completion import Completion
from .places import Places
from .prompts import prompt_of

__all__ = ["SAMPLES_OF_A_SEED", "build_app"]

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
    pocket = _Api(models, queue)
    routes = [
        Route("/v1/models", pocket.list_models),
        Route("/v1/models/{name}", pocket.show_model),
        Route("/v1/chat/completions", pocket.complete, methods=["POST"]),
        Route("/v1/responses", pocket.respond, methods=["POST"]),
    ]
    return api(routes, hosts, pocket.lifespan)


class _Api:
    def __init__(self, models: Sequence[PocketModel], queue: int) -> None:
        self._models = {model.card.name: model for model in models}
        self._places = Places(queue)
        self._created = int(time.time())

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        yield
        for model in self._models.values():
            await model.aclose()

    async def list_models(self, request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [self._description(name) for name in self._models]})

    async def show_model(self, request: Request) -> Response:
        return JSONResponse(self._description(self._model(request.path_params["name"]).card.name))

    async def complete(self, request: Request) -> Response | EventStream:
        return await self._answer(request, read_body(await body_of(request, _MOST_BYTES)))

    async def respond(self, request: Request) -> Response | EventStream:
        asked = read_body(chat_body(await body_of(request, _MOST_BYTES)))
        return await self._answer(request, asked, response=True)

    async def _answer(self, request: Request, asked: Asked, *, response: bool = False) -> Response | EventStream:
        """Answers as a chat completion, or as a response."""
        model = self._model(asked.model)
        samples = self._begin(asked, model)
        completion = Completion(asked, samples, f"fp_{model.card.revision}")
        if asked.stream:
            chunks = completion.chunks()
            return EventStream(response_events(chunks) if response else chunks, self._attended(samples, asked.n))
        async with self._attended(samples, asked.n):
            content = await unless_gone(request.receive, completion.whole())
        if content is None:
            return Response(status_code=GONE)
        return JSONResponse(response_of(content) if response else content)

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
            message = f"The model '{name}' does not exist; served are: {', '.join(self._models)}."
            raise Refusal(404, message, code="model_not_found", param="model")
        return self._models[name]

    def _description(self, name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": self._created, "owned_by": "apportion"}


def _requests(asked: Asked, model: PocketModel) -> list[ModelRequest]:
    """One request a sample, as the embedded model would be asked.

    Raises:
        Refusal: the prompt does not fit the context.
    """
    messages = (ChatMessage("user", prompt_of(asked.messages)), *_tool_turns(asked.messages))
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


def _tool_turns(messages: Sequence[ChatMessage]) -> tuple[ChatMessage, ...]:
    """The calls and results behind the last message of the user."""
    last = max(place for place, message in enumerate(messages) if message.role == "user")
    return tuple(message for message in messages[last + 1 :] if message.tool_calls or message.role == "tool")
