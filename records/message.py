"""What travels on an edge between two nodes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from .status import Status

__all__ = ["MESSAGE_BYTES", "Candidate", "Forward", "Message", "Part", "clip"]

MESSAGE_BYTES = 8192
"""The most that a message forwards when its edge forwards it in full, in bytes of UTF-8."""


class Forward(StrEnum):
    """What an edge lets through; the size of it decides what the reader's prompt costs."""

    FULL = "full"
    """Text, answer, candidates and evidence, cut to `MESSAGE_BYTES`."""
    ANSWER = "answer"
    """The answer and the candidates' answers only."""
    TRUNCATED = "truncated"
    """As full, cut to a quarter of `MESSAGE_BYTES`."""

    @property
    def limit(self) -> int:
        """The most bytes of text, and of evidence, that pass."""
        return {Forward.FULL: MESSAGE_BYTES, Forward.ANSWER: 512, Forward.TRUNCATED: MESSAGE_BYTES // 4}[self]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An answer that a later node may choose."""

    answer: str
    """The answer as it would be graded."""
    confidence: float | None = None
    """Between 0 and 1 where the maker can say, for example from log-probabilities or a vote's share."""
    checked: bool = False
    """True where something other than a model's word supports it, for example a constraint check."""
    text: str = ""
    """The reasoning it came from."""
    source: str = ""
    """The node that made it."""


@dataclass(frozen=True, slots=True)
class Part:
    """A sub-question of a decomposition."""

    name: str
    """Its name within the decomposition, for example "p1"."""
    question: str
    """What is asked; `{p1}` stands for the answer of part p1."""
    needs: tuple[str, ...] = ()
    """The parts whose answers it refers to."""


@dataclass(frozen=True, slots=True)
class Message:
    """A node's output. Frozen, because the runtime passes it by reference."""

    status: Status = Status.OK
    answer: str = ""
    text: str = ""
    """What the node wrote, for nodes that read reasoning."""
    candidates: tuple[Candidate, ...] = ()
    evidence: tuple[str, ...] = ()
    """Passages found for the question."""
    parts: tuple[Part, ...] = ()
    """Sub-questions, from a decomposer."""
    combine: str = ""
    """How the answers of `parts` make the answer, in the decomposer's words."""
    reason: str = ""
    """One line on why the status is not ok."""

    def forwarded(self, policy: Forward) -> Message:
        """The message as its reader sees it over an edge with this policy."""
        limit = policy.limit
        answer = clip(self.answer, 512)
        if policy is Forward.ANSWER:
            candidates = tuple(replace(c, answer=clip(c.answer, 512), text="") for c in self.candidates)
            return replace(self, answer=answer, text="", candidates=candidates, evidence=())
        room = limit
        evidence = []
        for passage in self.evidence:
            kept = clip(passage, room)
            if not kept:
                break
            evidence.append(kept)
            room -= len(kept.encode())
        candidates = tuple(replace(c, answer=clip(c.answer, 512), text=clip(c.text, limit)) for c in self.candidates)
        return replace(
            self, answer=answer, text=clip(self.text, limit), candidates=candidates, evidence=tuple(evidence)
        )


def clip(text: str, limit: int) -> str:
    """The longest prefix of `text` that is at most `limit` bytes of UTF-8."""
    encoded = text.encode()
    if len(encoded) <= limit:
        return text
    return encoded[:limit].decode(errors="ignore")
