"""What travels on an edge between two nodes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from .status import Status
from .text import clip, longest_bytes

__all__ = ["ANSWER_BYTES", "CANDIDATES", "Candidate", "Forward", "Message", "Part"]

ANSWER_BYTES = 512
"""The most bytes of an answer that pass an edge."""
CANDIDATES = 16
"""The most candidates that pass an edge."""


class Forward(StrEnum):
    """What an edge lets through; it decides what the reader's prompt can cost."""

    FULL = "full"
    """Answer, candidates, evidence and text."""
    ANSWER = "answer"
    """The answer and the candidates' answers only."""
    TRUNCATED = "truncated"
    """As full, cut to a quarter of its size."""

    @property
    def limit(self) -> int:
        """The most bytes that pass, counted as `longest_bytes`; the parts of a decomposition excepted."""
        return {Forward.FULL: 8192, Forward.ANSWER: 1024, Forward.TRUNCATED: 2048}[self]


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
    """A question in which `{p1}` stands for the answer of part p1, from a decomposer."""
    reason: str = ""
    """One line on why the status is not ok, or why `accepted` is false."""
    accepted: bool = True
    """False where a checker found the answer wanting; a loop then goes another round."""

    def forwarded(self, policy: Forward) -> Message:
        """The message as its reader sees it over an edge with this policy, cut to the policy's limit."""
        room = policy.limit
        if policy is not Forward.ANSWER and self._fits(room):
            return self
        answer = clip(self.answer, min(ANSWER_BYTES, room))
        room -= longest_bytes(answer)
        candidates: list[Candidate] = []
        for candidate in self.candidates[:CANDIDATES]:
            kept = clip(candidate.answer, min(ANSWER_BYTES, room))
            room -= longest_bytes(kept)
            candidates.append(replace(candidate, answer=kept, text=""))
        if policy is Forward.ANSWER:
            return replace(self, answer=answer, text="", candidates=tuple(candidates), evidence=())
        evidence: list[str] = []
        for passage in self.evidence:
            kept = clip(passage, room)
            if not kept:
                break
            room -= longest_bytes(kept)
            evidence.append(kept)
        for position, candidate in enumerate(self.candidates[:CANDIDATES]):
            kept = clip(candidate.text, room)
            room -= longest_bytes(kept)
            candidates[position] = replace(candidates[position], text=kept)
        text = clip(self.text, room)
        return replace(self, answer=answer, text=text, candidates=tuple(candidates), evidence=tuple(evidence))

    def _fits(self, room: int) -> bool:
        """Whether nothing would be cut; most messages are far smaller than their edge."""
        if len(self.candidates) > CANDIDATES:
            return False
        answers = [self.answer, *(candidate.answer for candidate in self.candidates)]
        if any(longest_bytes(answer) > ANSWER_BYTES for answer in answers):
            return False
        texts = [self.text, *self.evidence, *(candidate.text for candidate in self.candidates)]
        return sum(map(longest_bytes, answers)) + sum(map(longest_bytes, texts)) <= room
