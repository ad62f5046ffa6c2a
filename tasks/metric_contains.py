"""The metric that looks for the gold answer within an answer."""

from __future__ import annotations

import re

from ..records.answers import folded
from ..records.task import Task
from .metric_text import golds

__all__ = ["contains"]

_WORDY = re.compile(r"(?![\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff])\w")
"""A sign of a word, in scripts that part words by spaces."""


def contains(task: Task, answer: str, /) -> float:
    """1 where the gold answer, or one of its aliases, stands in the answer as whole words.

    White space, case and typography do not count: "the U.S. Senate" holds "u.s. senate", but "16" does not hold "6". In
    scripts without spaces between words it may stand anywhere.
    """
    said = folded(answer)
    return float(any(_stands(folded(gold).strip(), said) for gold in golds(task, "contains")))


def _stands(gold: str, said: str) -> bool:
    begins = r"(?<!\w)" if _WORDY.match(gold[:1]) else ""
    ends = r"(?!\w)" if _WORDY.match(gold[-1:]) else ""
    return bool(gold) and re.search(f"{begins}{re.escape(gold)}{ends}", said) is not None
