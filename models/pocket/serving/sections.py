"""The labelled sections of a message, such as `Question:` and `Passages:`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

__all__ = ["Section", "Sections", "split_sections"]


class Section(Enum):
    """What stands under a label."""

    QUESTION = "question"
    PASSAGES = "passages"
    QUERY = "query"
    """A finished round of a search: the query, then what was found, one passage a line."""
    PROPOSAL = "proposed answer"
    REASONING = "reasoning"
    PARTS = "parts"
    """Lines such as `p1 = 30`, among others."""
    COMBINATION = "combination"
    """A question in which `{p1}` stands for the answer of part p1."""
    COMPLAINT = "complaint"
    """What was wrong with the last attempt."""
    ASIDE = "aside"
    """What the models were not trained to read."""


_LABELS = {
    "question": Section.QUESTION,
    "problem": Section.QUESTION,
    "puzzle": Section.QUESTION,
    "passages": Section.PASSAGES,
    "context": Section.PASSAGES,
    "evidence": Section.PASSAGES,
    "documents": Section.PASSAGES,
    "facts": Section.PASSAGES,
    "query": Section.QUERY,
    "proposed answer": Section.PROPOSAL,
    "answer": Section.PROPOSAL,
    "its reasoning": Section.REASONING,
    "reasoning": Section.REASONING,
    "parts and their answers": Section.PARTS,
    "how they combine": Section.COMBINATION,
    "your last json was not accepted": Section.COMPLAINT,
    "how to read it": Section.ASIDE,
    "answers so far, which may be wrong": Section.ASIDE,
}
_LABEL = re.compile(rf"^[ \t]*({'|'.join(map(re.escape, _LABELS))}):", re.I | re.M)
_ON_ONE_LINE = frozenset({Section.PROPOSAL, Section.REASONING})
_LINE_END = re.compile(r"\n")
_EMPTY_LINE = re.compile(r"\n[ \t]*\n")


@dataclass(frozen=True, slots=True)
class Sections:
    """A message taken apart."""

    labelled: tuple[tuple[Section, str], ...]
    """Every section with its text, in order."""
    rest: str
    """What stands under no label."""

    def all(self, section: Section) -> tuple[str, ...]:
        """The texts of all sections of a kind, in order."""
        return tuple(text for kind, text in self.labelled if kind is section)

    def last(self, section: Section) -> str:
        """The text of the last section of a kind; empty where there is none."""
        return next((text for kind, text in reversed(self.labelled) if kind is section), "")


def split_sections(text: str) -> Sections:
    """Takes a message apart.

    A section ends at an empty line or at the next label; an answer or reasoning that begins on the line of its label
    ends with that line.
    """
    labels = list(_LABEL.finditer(text))
    labelled, rest = [], [text[: labels[0].start()] if labels else text]
    for position, label in enumerate(labels):
        section = _LABELS[label[1].lower()]
        end = labels[position + 1].start() if position + 1 < len(labels) else len(text)
        begin = end - len(text[label.end() : end].lstrip())
        on_one_line = section in _ON_ONE_LINE and "\n" not in text[label.end() : begin]
        gap = (_LINE_END if on_one_line else _EMPTY_LINE).search(text, begin, end)
        labelled.append((section, text[begin : gap.start() if gap else end].strip()))
        if gap:
            rest.append(text[gap.end() : end])
    return Sections(tuple(labelled), "\n".join(rest))
