"""The metric for multiple choice."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..errors import UsageError
from ..records.answers import folded, letter_of, plain
from ..records.task import Task
from .metric_text import golds

__all__ = ["choice"]

_LISTED = re.compile(r"^[ \t]*\(?([A-Z])[).:][ \t]+(\S.*?)[ \t]*$", re.MULTILINE)
_ALONE = re.compile(r"^\W*(?:(?:option|choice|answer)\W*)?([A-Za-z])\W*$", re.IGNORECASE)
_SAID = re.compile(
    r"\b(?:answer|option|choice)\b(?:\s+(?:is|(?:sh|w)ould\s+be|must\s+be))?\s*[:=]?\s*[\"'(*\[]*([A-Za-z])(?![\w'])",
    re.IGNORECASE,
)
_BOXED = re.compile(r"\\boxed\{(?:[^{}]|\{[^{}]*\})*\}")
_BRACKETED = re.compile(r"\(([A-Za-z])\)")
_WORD = re.compile(r"\s*\w")
_FIRST = re.compile(r"^\W*([A-Z])[).:](?:\s|$)")


def choice(task: Task, answer: str, /) -> float:
    """1 where the answer names the gold choice, by its letter or by its text.

    The choices are `metadata["choices"]`, a list of texts for A, B, C and so on, or the lines of the question such as
    `A) Paris`; without either, only letters are compared. Gold is a letter or the text of a choice. Of several letters
    in an answer the last that is named as the answer counts.
    """
    choices = _choices(task)
    (gold_text, *_) = golds(task, "choice")
    gold = _letter(gold_text, choices)
    if gold is None or (choices and gold not in choices):
        known = f"one of {', '.join(choices)} or the text of a choice" if choices else "a letter"
        raise UsageError(
            f"metric 'choice', task {task.name or task.task_id!r}: the gold answer {gold_text[:60]!r} must be {known}"
        )
    return float(_letter(answer, choices) == gold)


def _choices(task: Task) -> Mapping[str, str]:
    listed = task.metadata.get("choices")
    if listed is None:
        return {letter: folded(text) for letter, text in _LISTED.findall(task.question)}
    if not isinstance(listed, list | tuple) or not 1 <= len(listed) <= 26:
        raise UsageError(
            f"metric 'choice', task {task.name or task.task_id!r}: metadata 'choices' must be a list of 1 to 26 texts"
        )
    return {chr(ord("A") + index): folded(str(text)) for index, text in enumerate(listed)}


def _letter(text: str, choices: Mapping[str, str]) -> str | None:
    """The letter that a text chooses, in capitals."""
    said = folded(text).strip(" .\"'*")
    by_text = [letter for letter, words in choices.items() if words.strip(" .\"'*") == said]
    if len(by_text) == 1:
        return by_text[0]
    *_, boxed = ["", *_BOXED.findall(text)]
    if letter := letter_of(said) or letter_of(folded(boxed)):
        return letter.upper()
    text = plain(text)
    if match := _ALONE.match(text):
        return match[1].upper()
    # "answer: a dog" is about a dog, so a small letter counts only where no word follows.
    named = [m[1] for m in _SAID.finditer(text) if m[1].isupper() or not _WORD.match(text, m.end())]
    if named:
        return named[-1].upper()
    if match := _FIRST.match(text):
        return match[1]
    bracketed = {letter.upper() for letter in _BRACKETED.findall(text)}
    within = {letter for letter, words in choices.items() if words and re.search(rf"\b{re.escape(words)}\b", said)}
    only = bracketed or within
    return only.pop() if len(only) == 1 else None
