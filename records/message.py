"""What travels on an edge between two nodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from .status import Status
from .text import clip, longest_bytes

__all__ = ["ANY_SIZE", "CANDIDATES", "SHORT", "Candidate", "Forward", "Message", "MessageSize", "Part"]

_LONGEST_CHARACTER = 33
"""The most bytes of a character after normalisation, see `longest_bytes`."""
SHORT = 16
"""The bytes of a short answer."""
CANDIDATES = 16
"""The most candidates of a message."""


class Forward(StrEnum):
    """What an edge lets through; it decides what the reader's prompt can cost. Answers always pass whole."""

    FULL = "full"
    """Answer, candidates, evidence and text."""
    ANSWER = "answer"
    """The answer and the candidates' answers only."""
    TRUNCATED = "truncated"
    """As full, with the evidence and each text cut to a quarter of what their writer may write."""
    NONE = "none"
    """Nothing: the edge says only that its writer has ended, and opens by its gate where it has one."""


@dataclass(frozen=True, slots=True)
class MessageSize:
    """The most that a message has, in bytes (see `longest_bytes`) or in tokens of one tokenizer."""

    answer: int
    """The answer, and the answer of each candidate."""
    text: int
    """The text, and the text of each candidate."""
    candidates: int = 1
    evidence: int = 0
    """All passages together."""
    passages: int = 0
    """How many."""
    combine: int = 0
    """The parts of a decomposition and how they combine."""
    most: int | None = None
    """Everything together, where less than the sum of the others is admitted."""

    def through(self, policy: Forward) -> MessageSize:
        """What is left of it behind an edge."""
        if policy is Forward.NONE:
            return MessageSize(answer=0, text=0, candidates=0)
        if policy is Forward.ANSWER:
            return replace(self, text=0, evidence=0)
        if policy is Forward.TRUNCATED:
            return replace(self, text=self.text // 4, evidence=self.evidence // 4)
        return self

    @property
    def answers(self) -> int:
        """All candidates' answers."""
        return self.answer * max(1, self.candidates)

    @property
    def chosen(self) -> int:
        """What a prompt repeats of the chosen candidate.

        Its answer before its text, where the answer is short or a quarter of the text at most; else one of the two.
        """
        return max(self.answer, self.text + max(self.text // 4, min(self.answer, SHORT)))

    @property
    def said(self) -> int:
        """What a prompt repeats without the passages: every answer, the chosen one's text, the parts."""
        found = self.answer * max(0, self.candidates - 1) + self.chosen
        return self.combine + (found if self.most is None else min(found, self.most))

    @property
    def total(self) -> int:
        """All that a prompt repeats."""
        return self.said + self.evidence if self.most is None else self.combine + self.most

    @property
    def candidate(self) -> int:
        """One candidate with its text."""
        return min(self.answer + self.text, self.total)


ANY_SIZE = MessageSize(answer=8192, text=8192, candidates=CANDIDATES, evidence=8192, passages=32, most=8192)
"""Of a message of whose writer nothing is known, in bytes."""


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
    abstained: bool = False
    """Whether it says that there is no answer to give, such as "I don't know"."""
    least_logprob: float | None = None
    """The log-probability (natural logarithm) of the least probable token of its reply, where the model gives it."""
    form: str = ""
    """What counts as the same answer has the same one; empty: its normal form. Where it is set, white space and case
    belong to the answer, as in a program, so that nothing may tidy it."""
    data: Any = field(default=None, compare=False)
    """The value of an answer in JSON."""


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
    abstained: bool = False
    """Whether the answer says that there is none to give, such as "I don't know"."""
    data: Any = field(default=None, hash=False)
    """The parsed value of an answer that is JSON; frozen by convention, and travels with the answer."""
    rounds: int = 1
    """How many it took: the queries of a search, the rounds of calls of an agent, or how often the loop has run that
    the node is in."""

    @property
    def form(self) -> str:
        """The form of its answer, see `Candidate.form`; empty where none of its candidates says one."""
        return next((found.form for found in self.candidates if found.form and found.answer == self.answer), "")

    def forwarded(
        self, policy: Forward, size: MessageSize = ANY_SIZE, measure: Callable[[str], int] = longest_bytes
    ) -> Message:
        """The message as its reader sees it over an edge.

        Args:
            policy: what the edge lets through.
            size: the most that its writer may write; see `MessageSize.through`.
            measure: how large a text is, in the unit of `size`.

        Returns:
            The message; one with the status oversize and the reason where an answer, a text or the evidence is larger
            than the edge carries. Only `TRUNCATED` cuts, and only evidence and texts.
        """
        if policy is Forward.NONE:
            return Message()
        carried, size = self, size.through(policy)
        if policy is Forward.ANSWER:
            bare = tuple(replace(candidate, text="") for candidate in self.candidates)
            carried = replace(self, text="", candidates=bare, evidence=())
        elif policy is Forward.TRUNCATED:
            carried = self._cut(size)
        excess = carried._excess(size, measure)
        return Message(status=Status.OVERSIZE, reason=excess, accepted=self.accepted) if excess else carried

    def _excess(self, size: MessageSize, measure: Callable[[str], int]) -> str:
        """What is larger than an edge carries, and by how much; an empty text where nothing is."""
        fields = [("answer", self.answer, size.answer), ("text", self.text, size.text)]
        for candidate in self.candidates:
            fields += [("answer", candidate.answer, size.answer), ("text", candidate.text, size.text)]
        for name, text, limit in fields:
            # Most texts are far smaller than their edge, and no tokenizer makes more tokens than there are bytes.
            if len(text) * _LONGEST_CHARACTER > limit and (found := measure(text)) > limit:
                return f"its {name} has {found:,}, the edge carries {limit:,}"
        evidence = sum(map(measure, self.evidence))
        if evidence > size.evidence:
            return f"its evidence has {evidence:,}, the edge carries {size.evidence:,}"
        if len(self.candidates) > size.candidates:
            return f"it has {len(self.candidates)} candidates, the edge carries {size.candidates}"
        if size.most is not None and (together := evidence + sum(measure(text) for _, text, _ in fields)) > size.most:
            return f"it has {together:,} in all, the edge carries {size.most:,}"
        return ""

    def _cut(self, size: MessageSize) -> Message:
        """The message with evidence and texts that fit."""
        room = size.evidence
        evidence: list[str] = []
        for passage in self.evidence:
            kept = clip(passage, room)
            if not kept:
                break
            room -= longest_bytes(kept)
            evidence.append(kept)
        candidates = tuple(replace(each, text=clip(each.text, size.text)) for each in self.candidates)
        return replace(self, text=clip(self.text, size.text), candidates=candidates, evidence=tuple(evidence))
