"""The seam between apportion and whatever completes text."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Protocol

from .card import ModelCard
from .delta import Delta
from .request import ChatMessage, Reply, Request

__all__ = ["Model", "StreamingModel", "stream_of"]


class Model(Protocol):
    """Something that completes a request.

    A model that may hold a call back, for a free slot or a connection, has an attribute `announces` that is true, and
    calls `departure.leave` right before a request leaves this process. Of any other model, a call counts as sent from
    the moment at which `complete` is called, and is lost where this process is killed after that.

    A model that can tell what it writes while it writes it has the method `stream` of `StreamingModel` too.

    Only the metered caller calls `complete`; nodes cannot reach it. One call of `complete` is one attempt: a model
    never retries by itself, because each attempt needs a reservation of its own. It may be called many times at once.
    """

    @property
    def card(self) -> ModelCard:
        """What is known of it."""

    async def complete(self, request: Request) -> Reply:
        """One attempt.

        Raises:
            CallFailed: with a typed status; `billed=False` only where it is certain that nothing was billed.
        """

    def count_tokens(self, messages: Sequence[ChatMessage]) -> int | None:
        """The exact number of prompt tokens, template included, or None where only bytes can be counted."""

    async def aclose(self) -> None:
        """Lets go of connections; the model may be used again afterwards."""


class StreamingModel(Model, Protocol):
    """A model whose replies can be had while they come."""

    def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        """One attempt, piece by piece: deltas as they come, and last the reply, as `complete` would give it.

        Closing the generator ends the attempt; nothing goes on behind it. Where it is certain what the reply used
        before the reply itself is there, a delta says so.

        Raises:
            CallFailed: as `complete`, also after deltas.
        """


def stream_of(model: Model, request: Request) -> AsyncGenerator[Delta | Reply, None]:
    """One attempt as a stream; a model that cannot stream gives its whole reply at once."""
    stream: Callable[[Request], AsyncGenerator[Delta | Reply, None]] | None = getattr(model, "stream", None)
    return _at_once(model, request) if stream is None else stream(request)


async def _at_once(model: Model, request: Request) -> AsyncGenerator[Delta | Reply, None]:
    yield await model.complete(request)
