"""The majority of every field of several JSON answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..records.output import canonical_json

__all__ = ["FieldVote", "field_vote"]


@dataclass(frozen=True, slots=True)
class FieldVote:
    """What most say, field by field."""

    value: Any
    agreement: float
    """The mean over the fields of the share of the answers that say the same."""


def field_vote(values: Sequence[Any]) -> FieldVote:
    """Takes for each field of objects, also within objects, what most of those say that have the field.

    A field is there where more than half of the objects have it. Lists and plain values count as a whole, and of equal
    counts the first said wins.

    Args:
        values: parsed JSON, at least one.
    """
    shares: list[float] = []
    value = _merged(values, len(values), shares)
    return FieldVote(value, sum(shares) / len(shares) if shares else 1.0)


def _merged(values: Sequence[Any], voters: int, shares: list[float]) -> Any:
    objects = [value for value in values if isinstance(value, dict)]
    if 2 * len(objects) <= len(values):
        return _most(values, voters, shares)
    names = dict.fromkeys(name for value in objects for name in value)
    merged: dict[str, Any] = {}
    for name in names:
        said = [value[name] for value in objects if name in value]
        if 2 * len(said) > len(objects):
            merged[name] = _merged(said, voters, shares)
        else:
            shares.append(1 - len(said) / voters)
    return merged


def _most(values: Sequence[Any], voters: int, shares: list[float]) -> Any:
    forms = [canonical_json(value) for value in values]
    form, count = Counter(forms).most_common(1)[0]
    shares.append(count / voters)
    return values[forms.index(form)]
