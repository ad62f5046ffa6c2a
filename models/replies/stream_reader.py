"""Reading the stream of a chat completion: pieces as they come, and at its end the reply or a typed failure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ...errors import CallFailed
from ...records.status import Status
from ...records.usage import Usage
from ..call_bounds import CallBounds
from ..delta import Delta
from ..request import Reply
from .completion import read_completion, read_reply
from .streams import BrokenStream, EventReader, StreamedCompletion
from .usage import LONGEST_TOKEN_BYTES

__all__ = ["StreamReader"]

_WHOLE = (b"{", b"[", b"<", b'"')
"""How a body begins that is no stream."""
_AFTER_USAGE = 2.0
"""Seconds to wait for the last event once nothing else is missing; some endpoints never send it."""
_AFTER_LAST = 0.05
"""Seconds to wait for the end of the body after the last event, so that its connection can be used again."""


class StreamReader:
    """Reads one stream; a body that is no stream, as of endpoints that do not stream, is read whole.

    Args:
        bounds: as of `read_reply`.
        tools: as of `read_reply`.
    """

    def __init__(self, bounds: Callable[[], CallBounds], *, tools: bool = False) -> None:
        self._bounds = bounds
        self._tools = tools
        self._events = EventReader()
        self._completion = StreamedCompletion()
        self._body: list[bytes] | None = None
        self._begun = False
        self._written = 0
        self._most: int | None = None
        self._used = False

    @property
    def model(self) -> str:
        """The name that the endpoint gives for its model; empty as long as it has not said so."""
        return name if isinstance(name := self._completion.model, str) else ""

    async def read(self, body: AsyncGenerator[bytes, None]) -> AsyncGenerator[Delta, None]:
        """What a body says, as it comes, to its last event.

        Where the connection fails after all was said, that is its end too.

        Raises:
            CallFailed: it broke off, is no stream, holds an error, or more was written than the call may have.
        """
        completion = self._completion
        while True:
            seconds = _AFTER_LAST if completion.ended else _AFTER_USAGE if completion.used else None
            try:
                async with asyncio.timeout(seconds):
                    data = await anext(body, None)
            except TimeoutError:
                break
            except CallFailed:
                if completion.failed or not completion.whole:
                    raise
                break
            if data is None:
                break
            for delta in self._feed(data):
                yield delta
        for delta in self._finish():
            yield delta

    def reply(self) -> Reply:
        """The reply, when the body has been read.

        Raises:
            CallFailed: as `read_reply`.
        """
        if self._body is not None:
            return read_reply(b"".join(self._body), self._bounds, tools=self._tools)
        return self._read()

    def _feed(self, data: bytes) -> Iterator[Delta]:
        if not self._begun and data.strip():
            self._begun = True
            self._body = [] if data.lstrip()[:1] in _WHOLE else None
        if self._body is not None:
            self._body.append(data)
        elif not self._completion.ended:
            yield from self._deltas(self._events.feed(data))

    def _finish(self) -> Iterator[Delta]:
        if self._body is None and not self._completion.ended:
            yield from self._deltas(self._events.end())
            if not self._completion.whole:
                raise CallFailed(Status.PROVIDER_ERROR, "the stream broke off before its end", retryable=True)

    def _deltas(self, events: Iterator[Mapping[str, Any] | str]) -> Iterator[Delta]:
        try:
            for event in events:
                yield self._add(event)
        except BrokenStream as broken:
            if not self._completion.whole:
                raise CallFailed(Status.PROVIDER_ERROR, f"the stream broke: {broken}", retryable=True) from None

    def _add(self, event: Mapping[str, Any] | str) -> Delta:
        delta = self._completion.add(event)
        if self._completion.failed:
            self._read()  # raises what the error says, with what was known by then
        self._check_bound(delta)
        if not self._tools:
            delta = replace(delta, calls=()) if delta.calls else delta
        if self._completion.used and not self._used:
            self._used = True
            delta = replace(delta, usage=self._read().usage)
        return delta

    def _read(self) -> Reply:
        return read_completion(self._completion.content(), self._bounds, tools=self._tools)

    def _check_bound(self, delta: Delta) -> None:
        """An endpoint that writes on and on is left as soon as it is sure that it has passed its cap."""
        texts = (delta.text, delta.reasoning, delta.refusal, *(call.name + call.arguments for call in delta.calls))
        self._written += sum(len(text.encode()) for text in texts if text)
        if self._most is None:
            self._most = self._bounds().output_tokens
        if self._written > (self._most + 1) * LONGEST_TOKEN_BYTES:
            bounds, least = self._bounds(), self._written // LONGEST_TOKEN_BYTES
            usage = Usage(bounds.input_tokens, least, estimated=True)
            raise CallFailed(Status.PROVIDER_ERROR, "it writes on beyond its output cap", usage=usage)
