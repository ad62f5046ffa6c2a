"""The metric that compares summaries by their longest common subsequence of words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from unicodedata import normalize

from ..records.task import Task
from .metric_text import golds

__all__ = ["lcs_length", "rouge_l"]

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_]+")
"""A run of letters and digits; each sign by itself of scripts that have no spaces between words."""


def rouge_l(task: Task, answer: str, /) -> float:
    """ROUGE-L (Lin, 2004): the F1 of the longest common subsequence of words; the best over gold and its aliases.

    On ASCII text it equals `rougeL` of the package rouge-score without its stemmer.
    """
    said = _words(answer)
    return max(_f1(said, _words(gold)) for gold in golds(task, "rouge_l"))


def lcs_length(first: Sequence[str], second: Sequence[str]) -> int:
    """How long the longest common subsequence is, by bit vectors (Hyyrö, 2004): a row of the table at a time."""
    places: dict[str, int] = {}
    for place, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << place
    everything = (1 << len(first)) - 1
    row = everything
    for word in second:
        matched = row & places.get(word, 0)
        row = ((row + matched) | (row - matched)) & everything
    return len(first) - row.bit_count()


def _words(text: str) -> list[str]:
    return _WORD.findall(normalize("NFKC", text).lower())


def _f1(answer: Sequence[str], gold: Sequence[str]) -> float:
    if not answer or not gold:
        return 0.0
    # 2PR / (P + R), written so that equal texts give exactly 1.
    return 2 * lcs_length(answer, gold) / (len(answer) + len(gold))
