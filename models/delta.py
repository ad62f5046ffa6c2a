"""A reply as it comes, piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..records.usage import Usage
from .request import Reply

__all__ = ["CallPiece", "Delta", "Given", "deltas_of"]


@dataclass(frozen=True, slots=True)
class CallPiece:
    """A piece of a call of a tool; name and id come whole, in the first piece of the call that has them."""

    index: int
    """Which call of the reply it belongs to, from 0."""
    name: str = ""
    arguments: str = ""
    """The next characters of the arguments."""
    call_id: str = ""
    extra: str = ""
    """As `ToolCall.extra`, whole."""


@dataclass(frozen=True, slots=True)
class Delta:
    """What came of a reply since the delta before."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    """The words of a refusal; in the reply they are its text, where there is no other."""
    calls: tuple[CallPiece, ...] = ()
    usage: Usage | None = None
    """What the reply used, as soon as that is certain: nothing more is written for it."""

    @property
    def says_something(self) -> bool:
        """Whether there is anything in it for a reader."""
        return bool(self.text or self.reasoning or self.refusal or self.calls)


@dataclass(slots=True)
class Given:
    """What of a reply was given on already."""

    text: list[str] = field(default_factory=list)
    reasoning: bool = False
    calls: bool = False

    def __bool__(self) -> bool:
        return bool(self.text) or self.reasoning or self.calls

    def add(self, delta: Delta) -> None:
        """A delta was given on."""
        if delta.text or delta.refusal:
            self.text.append(delta.text or delta.refusal)
        self.reasoning = self.reasoning or bool(delta.reasoning)
        self.calls = self.calls or bool(delta.calls)

    def rest(self, reply: Reply) -> Iterator[Delta]:
        """What the whole reply holds beyond what was given on; nothing can be taken back."""
        for delta in deltas_of(reply):
            if (delta.reasoning and not self) or (delta.calls and not self.calls):
                yield delta
            elif delta.text or delta.refusal:
                said, before = delta.text or delta.refusal, "".join(self.text)
                if said.startswith(before) and said != before:
                    rest = said[len(before) :]
                    yield Delta(text=rest) if delta.text else Delta(refusal=rest)


def deltas_of(reply: Reply) -> Iterator[Delta]:
    """A whole reply as a stream: what it thought, what it said, each of its calls."""
    if reply.reasoning:
        yield Delta(reasoning=reply.reasoning)
    if reply.text:
        yield Delta(refusal=reply.text) if reply.finish_reason == "refusal" else Delta(text=reply.text)
    for index, call in enumerate(reply.tool_calls):
        yield Delta(calls=(CallPiece(index, call.name, call.arguments, call.call_id, call.extra),))
