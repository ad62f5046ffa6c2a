"""The metric that compares JSON field by field."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ..errors import UsageError
from ..records.answers import normal_form
from ..records.task import Task
from .metric_text import golds

__all__ = ["json_fields"]

_DEPTH = 100


def json_fields(task: Task, answer: str, /) -> float:
    """The share of the gold answer's fields that the answer has too, with the same value; of aliases, the best.

    The gold answer is an object or a list. Fields within fields count each for itself, the items of a list by their
    place; texts are the same where `exact` takes them for the same, and a number never equals a text. Fields that the
    gold answer does not have are passed over.

    Raises:
        UsageError: the gold answer is no JSON, or has no fields.
    """
    said = _parsed(answer)
    return max(_share(said, _gold(task, gold)) for gold in golds(task, "json_fields"))


def _gold(task: Task, text: str) -> dict[tuple[str | int, ...], Any]:
    fields = dict(_fields(_parsed(text)))
    if not fields or () in fields:
        raise UsageError(
            f"metric 'json_fields', task {task.name or task.task_id!r}: the gold answer {text[:60]!r} must be a JSON "
            "object or list with something in it"
        )
    return fields


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _share(said: Any, gold: dict[tuple[str | int, ...], Any]) -> float:
    given = dict(_fields(said))
    right = sum(place in given and _same(given[place], value) for place, value in gold.items())
    return right / len(gold)


def _fields(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """The plain values of a value by their place; an empty object or list is one."""
    inner: Iterator[tuple[str | int, Any]] = iter(())
    if isinstance(value, dict):
        inner = iter(value.items())
    elif isinstance(value, list):
        inner = iter(enumerate(value))
    if not isinstance(value, dict | list) or not value or len(place) >= _DEPTH:
        yield place, value
        return
    for name, each in inner:
        yield from _fields(each, (*place, name))


def _same(said: Any, gold: Any) -> bool:
    if isinstance(said, bool) or isinstance(gold, bool) or said is None or gold is None:
        return said is gold
    if isinstance(said, str) and isinstance(gold, str):
        return normal_form(said) == normal_form(gold)
    return bool(type(said) is type(gold) and said == gold) or (_number(said) and _number(gold) and said == gold)


def _number(value: Any) -> bool:
    return isinstance(value, int | float)
