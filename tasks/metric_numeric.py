"""The metric that compares numbers."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from ..errors import UsageError
from ..records.task import Task
from .metric_text import golds

__all__ = ["numeric"]

_RELATIVE = 1e-6
_NUMBER = re.compile(
    r"""
    (?<![\w.^])                                       # not within a word, a number or an exponent: H2O, m^2
    (?P<sign>[-+])?
    (?:[$€£¥]\s?)?
    (?P<whole>[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)?
    (?P<part>\.[0-9]+)?
    (?P<power>[eE][-+]?[0-9]{1,4}(?!\w))?
    (?:\s?/\s?(?P<below>[0-9]+)(?![.,/]?[0-9]))?
    (?P<percent>\s?%)?
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class _Number:
    value: float
    whole: str
    """The digits with their sign where it is written as a whole number, so that long ones are compared exactly."""
    percent: bool


def numeric(task: Task, answer: str, /) -> float:
    """1 where the last number in the answer equals the last number in the gold answer.

    Thousands are separated by commas, the decimal point is a point, and `3/4` is a number. Currency signs and units are
    passed over, so they are not compared. `50%` equals both 50 and 0.5. Two whole numbers must be equal; otherwise a
    difference of one millionth of the gold number is let pass, or of `metadata["tolerance"]` of it.
    """
    (gold_text, *_) = golds(task, "numeric")
    gold, given = _last_number(gold_text), _last_number(answer)
    where = f"metric 'numeric', task {task.name or task.task_id!r}"
    if gold is None or not (gold.whole or math.isfinite(gold.value)):
        raise UsageError(f"{where}: there is no number in the gold answer {gold_text[:60]!r}")
    tolerance = task.metadata.get("tolerance")
    if tolerance is not None and (isinstance(tolerance, bool) or not isinstance(tolerance, int | float)):
        raise UsageError(
            f"{where}: metadata 'tolerance' must be a number, the share of the gold number that may differ"
        )
    return float(given is not None and _equal(gold, given, tolerance))


def _equal(gold: _Number, given: _Number, tolerance: float | None) -> bool:
    if gold.whole and given.whole and tolerance is None and gold.percent == given.percent:
        return gold.whole == given.whole
    allowed = (_RELATIVE if tolerance is None else tolerance) * abs(gold.value)
    if abs(gold.value - given.value) <= allowed:
        return True
    if gold.percent == given.percent:
        return False
    scaled = given.value / 100 if given.percent else given.value * 100
    return abs(gold.value - scaled) <= allowed


def _last_number(text: str) -> _Number | None:
    last = None
    for match in _NUMBER.finditer(text.replace("−", "-")):
        if match["whole"] or match["part"]:
            last = match
    return None if last is None else _read(last)


def _read(match: re.Match[str]) -> _Number:
    sign, whole, part = match["sign"] or "", (match["whole"] or "").replace(",", ""), match["part"] or ""
    value = float(f"{sign}{whole}{part}{match['power'] or ''}")
    below = match["below"]
    if below is not None and float(below) != 0:
        value /= float(below)
    plain = not part and not match["power"] and below is None
    digits = whole.lstrip("0") or "0"
    negative = "-" if sign == "-" and digits != "0" else ""
    return _Number(value, f"{negative}{digits}" if plain else "", match["percent"] is not None)
