"""A reply as it grows, in the pieces that a client is told of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from ...request import Request
from ...tools import ToolCall, calls_as_sent
from ..engine import Written
from ..guide import Guide
from ..leading import call_id, said
from ..transcript import Transcript

__all__ = ["Deltas", "calls_as_told"]

Json: TypeAlias = dict[str, Any]


class Deltas:
    """What is new of a sample.

    Where it is not known before the end what a token belongs to, a thought, an answer or what stands before a call, all
    is told at the end.

    Args:
        request: what is answered.
        guide: what leads it.
        stop: texts that end a reply without a guide.
    """

    def __init__(self, request: Request, guide: Guide | None, stop: tuple[str, ...]) -> None:
        self._request = request
        self._guide = guide
        self._transcript = Transcript(stop)
        self._late = guide is not None and (guide.tools is not None or bool(guide.begun))
        self._calls = bool(request.tools) and request.tool_choice == "required"
        self._called = ""

    def add(self, written: Written) -> Iterator[Json]:
        """Takes a token."""
        part = written.part
        if part is None:
            text = self._transcript.add(written.token)
            if text:
                yield {"content": text}
        elif self._late or not part.text:
            return
        elif part.thought:
            yield {"reasoning_content": part.text}
        elif self._calls:
            yield from self._call(part.text)
        else:
            yield {"content": part.text}

    def finish(self) -> Iterator[Json]:
        """The rest, when nothing more comes."""
        if self._guide is None:
            text = self._transcript.finish()
            if text:
                yield {"content": text}
        if self._guide is None or not self._late:
            return
        text, calls = said(self._request, self._guide)
        if self._guide.thought:
            yield {"reasoning_content": self._guide.thought}
        if text:
            yield {"content": text}
        if calls:
            yield {"tool_calls": [{"index": place, **call} for place, call in enumerate(calls_as_told(calls))]}

    def _call(self, text: str) -> Iterator[Json]:
        """A call: its name as soon as it is whole, then its arguments as they come."""
        named, self._called = "\n" in self._called, self._called + text
        name, begun, arguments = self._called.partition("\n")
        if named:
            yield {"tool_calls": [{"index": 0, "function": {"arguments": text}}]}
        elif begun:
            (whole,) = calls_as_told([ToolCall(name, arguments, call_id(self._request))])
            yield {"tool_calls": [{"index": 0, **whole}]}


def calls_as_told(calls: Sequence[ToolCall]) -> list[Json]:
    """Calls as the field `tool_calls` of a message."""
    return calls_as_sent(calls)
