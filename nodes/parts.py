"""The parts of a decomposition: whether they can be worked off, and their questions with answers filled in."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from ..records.answers import normal_form
from ..records.message import Part
from ..records.text import longest_bytes

__all__ = ["LEAST_PART_BYTES", "complaint", "fill", "part_bytes", "parts_form", "placeholders"]

LEAST_PART_BYTES = 256
"""A sub-question may always have as many bytes as this."""

_PLACEHOLDER = re.compile(r"\{(\w{1,64})\}")
_LETTERS = str.maketrans("0123456789", "ghijklmnop")


def part_bytes(question: str) -> int:
    """The most bytes of a sub-question, answers filled in, and of `combine`: those of the whole question, or 256."""
    return max(LEAST_PART_BYTES, longest_bytes(question))


def fill(question: str, answers: Mapping[str, str]) -> str:
    """The question with `{p1}` replaced by the answer of p1.

    Names without an answer stay as they are, and what an answer says is not filled in again.

    Args:
        question: with placeholders.
        answers: by the name of the part.
    """
    return _PLACEHOLDER.sub(lambda match: answers.get(match[1], match[0]), question)


def placeholders(question: str) -> tuple[str, ...]:
    """The names in braces, each once."""
    return tuple(dict.fromkeys(_PLACEHOLDER.findall(question)))


def complaint(parts: Sequence[Part], combine: str, max_parts: int, most_bytes: int) -> str:
    """Why the parts cannot be worked off, or an empty text.

    Args:
        parts: the sub-questions.
        combine: how they make the answer.
        max_parts: how many there may be.
        most_bytes: of each sub-question and of `combine`.
    """
    if not parts:
        return "there are no parts"
    if len(parts) > max_parts:
        return f"there are {len(parts)} parts, at most {max_parts} are allowed"
    names = [part.name for part in parts]
    if len(set(names)) < len(names):
        return "two parts have the same name"
    if any(longest_bytes(text) > most_bytes for text in (combine, *(part.question for part in parts))):
        return f"a part is longer than {most_bytes} bytes"
    for part in parts:
        if not part.question.strip():
            return f"part {part.name} asks nothing"
        unknown = [need for need in part.needs if need not in names]
        if unknown:
            return f"part {part.name} needs part {unknown[0]}, which does not exist"
    try:
        TopologicalSorter({part.name: part.needs for part in parts}).prepare()
    except CycleError:
        return "the parts need each other's answers in a circle"
    return ""


def parts_form(parts: Sequence[Part], combine: str) -> str:
    """What equal decompositions have in common, whatever the order and the names of their parts.

    Args:
        parts: that can be worked off, see `complaint`, with all that their questions name among their needs.
        combine: how they make the answer.
    """
    by_name = {part.name: part for part in parts}
    forms: dict[str, str] = {}
    for name in TopologicalSorter({part.name: part.needs for part in parts}).static_order():
        part = by_name[name]
        others = sorted(forms[need] for need in part.needs)
        asked = "\n".join((normal_form(fill(part.question, forms)), *others))
        digest = hashlib.sha256(asked.encode(errors="surrogatepass")).hexdigest()[:16]
        forms[name] = digest.translate(_LETTERS)  # which no normal form takes for a number
    return "\n".join((normal_form(fill(combine, forms)), *sorted(forms.values())))
