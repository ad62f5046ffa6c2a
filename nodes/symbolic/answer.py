"""An assignment as the text of an answer, and back."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .check import Assignment, in_domain, objective_value
from .schema import Problem
from .variables import BoolVariable, EnumVariable, IntVariable

__all__ = ["parse_answer", "print_answer"]

_TRUE = frozenset({"true", "yes", "1"})
_FALSE = frozenset({"false", "no", "0"})
_LONGEST_LABEL = 256
"""Characters; a label has at most 64, and some letters become several when case is disregarded."""


def print_answer(problem: Problem, assignment: Assignment) -> str:
    """The answer in the form that the problem asks for: `a=1 b=3`, `1 3`, or the value of the objective."""
    if problem.answer.form == "objective":
        return str(objective_value(problem, assignment))
    printed = [(name, _printed(assignment[name])) for name in problem.shown]
    if problem.answer.form == "values":
        return " ".join(value for _, value in printed)
    return " ".join(f"{name}={value}" for name, value in printed)


def parse_answer(problem: Problem, text: str) -> dict[str, bool | int | str] | None:
    """Reads `a=1 b=3`, `a=1, b=3` or `a: 1; b: 3`, also within a sentence.

    Labels and names are matched without regard to case unless two differ by case only.

    Returns:
        The values that the text names, perhaps not of every variable; None where one value cannot be read, lies
        outside its domain, or contradicts another.
    """
    by_name = problem.by_name
    folded: dict[str, str] = {}
    for name in by_name:
        folded[name] = name
        folded.setdefault(name.casefold(), name)
    # \w+ before the sign is always a whole name, so `xa=1` never counts as `a=1`.
    places = [
        (match, folded.get(match[1], folded.get(match[1].casefold())))
        for match in re.finditer(r"(?<![\w.])(\w+)\s*[=:]", text)
    ]
    known = [(match, name) for match, name in places if name is not None]
    found: dict[str, bool | int | str] = {}
    for index, (match, name) in enumerate(known):
        end = known[index + 1][0].start() if index + 1 < len(known) else len(text)
        value = _value(by_name[name], text[match.end() : end].strip())
        if value is None or found.setdefault(name, value) != value:
            return None
    return found


def _printed(value: bool | int | str) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _value(variable: IntVariable | BoolVariable | EnumVariable, text: str) -> bool | int | str | None:
    """The value at the start of a text, or None."""
    match variable:
        case IntVariable():
            number = re.match(r"[-+]?[0-9]{1,12}(?![\w]|\.[0-9])", text.replace("−", "-"))
            value = int(number[0]) if number else None
            return value if value is not None and in_domain(variable, value) else None
        case BoolVariable():
            word = re.match(r"\w+", text)
            said = word[0].casefold() if word else ""
            return True if said in _TRUE else False if said in _FALSE else None
        case EnumVariable():
            return _label(variable, text[:_LONGEST_LABEL])


def _label(variable: EnumVariable, text: str) -> str | None:
    """The longest label that the text begins with; in its own case, before it is looked for in another."""
    folded = text.casefold()
    for begin in _beginnings(text):
        if begin in variable.labels:
            return begin
    return next((variable.folded[begin] for begin in _beginnings(folded) if begin in variable.folded), None)


def _beginnings(text: str) -> Iterator[str]:
    """What a text may begin with, the longest first; it never ends within a word."""
    return (text[:end] for end in range(len(text), 0, -1) if not re.match(r"\w", text[end : end + 1]))
