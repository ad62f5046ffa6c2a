"""The metric that compares numbers."""

from __future__ import annotations

import math
from fractions import Fraction

from ..errors import UsageError
from ..records.answers import Number, last_number
from ..records.task import Task
from .metric_text import golds

__all__ = ["numeric"]

_RELATIVE = Fraction(1, 10**6)


def numeric(task: Task, answer: str, /) -> float:
    r"""1 where the number that the answer is, or else the last one in it, equals that of the gold answer.

    Numbers are read as people write them: `1,234`, `1 234`, `0,85`, `\frac{1}{2}`, `3/4`, `1.5 million`. Currency signs
    and units are passed over, so they are not compared. `50%` equals both 50 and 0.5. Two whole numbers must be equal;
    otherwise a difference of one millionth of the gold number is let pass, or of `metadata["tolerance"]` of it.
    Expressions with roots, powers or letters are no numbers; the metric `math` compares those.
    """
    (gold_text, *_) = golds(task, "numeric")
    gold, given = last_number(gold_text), last_number(answer)
    where = f"metric 'numeric', task {task.name or task.task_id!r}"
    if gold is None:
        raise UsageError(
            f"{where}: there is no number in the gold answer {gold_text[:60]!r}; 'math' compares expressions"
        )
    tolerance = task.metadata.get("tolerance")
    if tolerance is not None and not _is_share(tolerance):
        raise UsageError(
            f"{where}: metadata 'tolerance' must be a number, the share of the gold number that may differ"
        )
    return float(given is not None and _equal(gold, given, None if tolerance is None else Fraction(tolerance)))


def _is_share(tolerance: object) -> bool:
    return isinstance(tolerance, int | float) and not isinstance(tolerance, bool) and math.isfinite(tolerance)


def _equal(gold: Number, given: Number, tolerance: Fraction | None) -> bool:
    whole = gold.value.denominator == given.value.denominator == 1
    if whole and tolerance is None and gold.percent == given.percent:
        return gold.value == given.value
    allowed = (_RELATIVE if tolerance is None else tolerance) * abs(gold.value)
    if abs(gold.value - given.value) <= allowed:
        return True
    if gold.percent == given.percent:
        return False
    scaled = given.value / 100 if given.percent else given.value * 100
    return abs(gold.value - scaled) <= allowed
