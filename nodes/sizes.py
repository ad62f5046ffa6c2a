"""How large what a node does may become, before anything has run: its calls, its fees, what its edges bring."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

from ..records.message import ANY_SIZE, MessageSize

__all__ = ["CallBound", "Fee", "Incoming"]


@dataclass(frozen=True, slots=True)
class CallBound:
    """The size of a call that a node may make, before anything has run."""

    model: str
    prompt_bytes: int
    """Prompt text as `Speakers.measure` counts it, the template's own overhead excepted."""
    messages: int
    """How many messages the prompt has."""
    output_tokens: int
    times: int = 1


@dataclass(frozen=True, slots=True)
class Fee:
    """What a node may pay beside the calls of models, such as for tools, before anything has run."""

    usd: int = 0
    """Of one payment, in billionths of a dollar."""
    times: int = 1
    """How many there may be in one run of the node."""


class Incoming(int):
    """How much a node's edges may bring into one prompt; a number, with its parts."""

    sizes: tuple[MessageSize, ...]
    """Of the messages that come in."""
    previous: MessageSize | None
    """Of what a loop's check said of the round before; None outside loops."""

    def __new__(cls, sizes: Iterable[MessageSize], previous: MessageSize | None = None) -> Self:
        """Of these messages."""
        known = tuple(sizes)
        more = 0 if previous is None else previous.total
        number = super().__new__(cls, sum(size.total for size in known) + more)
        number.sizes, number.previous = known, previous
        return number

    @classmethod
    def of(cls, number: int) -> Self:
        """A number as it is, or one of which nothing is known."""
        if isinstance(number, cls):
            return number
        return cls([replace(ANY_SIZE, answer=number, text=number, evidence=number, most=number)] if number else ())

    @property
    def candidate(self) -> int:
        """The largest candidate with its text."""
        return max((size.candidate for size in self.sizes), default=0)

    @property
    def candidates(self) -> int:
        """All candidates together; a message without any is one."""
        return sum(max(1, size.candidates) for size in self.sizes)

    @property
    def evidence(self) -> Self:
        """The passages alone."""
        return type(self)(replace(size, answer=0, text=0, candidates=0, combine=0) for size in self.sizes)
