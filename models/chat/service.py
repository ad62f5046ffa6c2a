"""The routes of OpenAI's API, whatever answers behind them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ...errors import UnknownName
from ...web.app import api, body_of
from ...web.event_stream import EventStream
from ...web.refusal import Refusal
from .completion import Json
from .responses import chat_body, response_events, response_of

__all__ = ["ChatService", "Form", "chat_api", "model_fields", "unknown_model"]

Asker = TypeVar("Asker")


@dataclass(frozen=True, slots=True)
class Form:
    """In which of OpenAI's two APIs a client asks; what answers knows chat completions only."""

    body: Callable[[bytes], bytes]
    """The body of a request as that of a chat completion."""
    whole: Callable[[Json], Json]
    """A chat completion as the client reads it."""
    events: Callable[[AsyncGenerator[Json, None]], AsyncGenerator[Json, None]]
    """Likewise the chunks of one."""


_COMPLETION = Form(lambda body: body, lambda completion: completion, lambda chunks: chunks)
_RESPONSE = Form(chat_body, response_of, response_events)


class ChatService(ABC, Generic[Asker]):
    """What answers behind the routes; all of it may raise `Refusal`."""

    most_bytes: int
    """Of a request's body."""

    @abstractmethod
    def lifespan(self, app: Starlette) -> AbstractAsyncContextManager[None]:
        """Held while the application runs."""

    @abstractmethod
    def asker(self, request: Request) -> Asker:
        """Who asks; found before the body is read."""

    @abstractmethod
    def models(self, asker: Asker) -> Iterable[Mapping[str, Any]]:
        """The models that somebody may ask, each as `model_fields`."""

    @abstractmethod
    def model(self, asker: Asker, name: str) -> Mapping[str, Any]:
        """One that is, or would be, among them."""

    @abstractmethod
    async def answer(self, request: Request, asker: Asker, body: bytes, form: Form) -> Response | EventStream:
        """Answers a request for a chat completion, in the form of the client."""


def chat_api(service: ChatService[Asker], hosts: Sequence[str]) -> Starlette:
    """A service as an ASGI application.

    Args:
        service: what answers.
        hosts: names besides those of the loopback interface that it answers to.
    """

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def list_models(request: Request) -> Response:
        return JSONResponse({"object": "list", "data": list(service.models(service.asker(request)))})

    async def show_model(request: Request) -> Response:
        return JSONResponse(service.model(service.asker(request), request.path_params["name"]))

    async def answered(request: Request, form: Form) -> Response | EventStream:
        asker = service.asker(request)
        return await service.answer(request, asker, form.body(await body_of(request, service.most_bytes)), form)

    async def complete(request: Request) -> Response | EventStream:
        return await answered(request, _COMPLETION)

    async def respond(request: Request) -> Response | EventStream:
        return await answered(request, _RESPONSE)

    routes = [
        Route("/health", health),
        Route("/v1/models", list_models),
        Route("/v1/models/{name:path}", show_model),
        Route("/v1/chat/completions", complete, methods=["POST"]),
        Route("/v1/responses", respond, methods=["POST"]),
    ]
    return api(routes, hosts, service.lifespan)


def model_fields(name: str, created: int, owner: str = "apportion") -> Json:
    """A model in the list of models.

    Args:
        name: under which it is asked.
        created: seconds since the epoch.
        owner: whose it is.
    """
    return {"id": name, "object": "model", "created": created, "owned_by": owner}


def unknown_model(name: str, known: Sequence[str]) -> Refusal:
    """The refusal of a request to a model that there is not, for whoever asks."""
    return Refusal(404, str(UnknownName("model", name, known))[:500], code="model_not_found", param="model")
