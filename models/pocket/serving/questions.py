"""Finding a question of the pocket families, and the facts that it is asked about, in plain English."""

from __future__ import annotations

import re

from ....records.text import single_spaced

__all__ = ["find_facts", "find_question", "without"]

_NUMBER = r"[0-9]{1,2}"
_CHAIN = rf"{_NUMBER}(?: ?[-+*] ?{_NUMBER})*"
_TERM = rf"(?:{_NUMBER}|\( ?{_CHAIN} ?\))"
_BEGIN = r"(?<![\w.)+*=-])(?:(?<![-+*=] )|(?<=^[-+*] ))"
"""Not within an expression; what looks like one before it may be the mark of a list."""
_SUM = rf"{_BEGIN}{_TERM}(?: ?[-+*] ?{_TERM})"
_ASKED = re.compile(
    "|".join(
        (
            rf"(?P<sum>{_SUM}* ?=(?! ?[0-9]))",
            r"Which\s+room\s+is\s+[a-z]+\s+in\?",
            r"Find\s+[a-z](?:,\s*[a-z])*\s+from\s+1\s+to\s+[0-9]{1,2}:[^.]*\.",
            r"Arrows\s+[^.]*\.\s+From\s+[a-z]\?",
            r"Codes\s+[^.]*\.\s+Give\s+[^.]*?\s+joined\s+by\s+\S\.",
            r"Sum\s+of\s+[a-z]+(?:,\s+[a-z]+)*\?",
            r"Count\s+[a-z]\s+in\s+[a-z]+",
            r"Pegs\s+[abc]+\.\s+All\s+to\s+[abc]\?",
        )
    ),
    re.M,
)
_SUM_WITHOUT_END = re.compile(rf"(?P<sum>{_SUM}+)(?! ?[=+*(-]|\w)", re.M)
"""An expression in a sentence, such as "What is 47+83?"."""
_FACT = re.compile(
    r"\b[a-z]+\s+(?:stays|works)\s+(?:with\s+[a-z]+|in\s+room\s+[0-9]{2})\."
    r"|\b[a-z]+\s+(?:saw|met|calls)\s+[a-z]+\."
    r"|\bStock\s+[^.?]*\."
)
_SINGLE_DIGIT = re.compile(r"(?<![0-9])[0-9](?![0-9])")


def find_question(text: str) -> tuple[str, str] | None:
    """The last question in a text, or None where there is none of a known shape.

    Args:
        text: with single spaces.

    Returns:
        The question as the models read it, and as it stands in the text.
    """
    matches = [*_ASKED.finditer(text)] or [*_SUM_WITHOUT_END.finditer(text)]
    if not matches:
        return None
    found = matches[-1]
    return (_canonical(found[0]) if found["sum"] else single_spaced(found[0])), found[0]


def find_facts(text: str) -> tuple[str, ...]:
    """The sentences of a text that are facts as the families write them, as they stand there."""
    return tuple(match[0] for match in _FACT.finditer(text))


def without(text: str, parts: tuple[str, ...]) -> str:
    """A text without some of its parts."""
    for part in filter(None, parts):
        text = text.replace(part, " ")
    return text


def _canonical(expression: str) -> str:
    """Without spaces, every number two digits wide, with an equals sign at the end."""
    packed = "".join(expression.split()).removesuffix("=")
    return _SINGLE_DIGIT.sub(lambda digit: f"0{digit[0]}", packed) + "="
