"""When enough samples have been drawn. A rule sees the votes cast so far and nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, get_args

__all__ = ["BETA_CONFIDENCE", "STOP_RULES", "StopRule", "enough", "leads_by", "majority_probability", "settled"]

StopRule = Literal["beta", "ahead_by_2", "ahead_by_3"]
"""beta: the leader is the majority with probability 0.95; ahead_by_k: it has k votes more than the runner-up."""

STOP_RULES: tuple[StopRule, ...] = get_args(StopRule)
"""All of them."""

BETA_CONFIDENCE = 0.95
"""The threshold of the rule `beta`, as in its source."""


def enough(rule: StopRule, counts: Sequence[int], remaining: int | None = None) -> bool:
    """Whether to stop drawing.

    Args:
        rule: which rule decides.
        counts: the votes for each distinct answer so far, in any order.
        remaining: how many more may be drawn, where the vote is one of plain majority: when they cannot change the
            leader, drawing stops under every rule.
    """
    if remaining is not None and settled(counts, remaining):
        return True
    if rule == "beta":
        return majority_probability(counts) >= BETA_CONFIDENCE
    return leads_by(counts, int(rule.rpartition("_")[2]))


def majority_probability(counts: Sequence[int]) -> float:
    """The probability that the leading answer is the more likely one of the first two.

    With v1 and v2 votes it is P(p > 1/2) for p ~ Beta(v1 + 1, v2 + 1), the stop criterion of Adaptive-Consistency
    (Aggarwal et al. 2023). For whole numbers that is the binomial sum over j <= v1 of C(v1 + v2 + 1, j) / 2^(v1+v2+1).
    """
    first, second = _leaders(counts)
    draws = first + second + 1
    at_most_first = sum(math.comb(draws, j) for j in range(first + 1))
    return float(at_most_first / 2**draws)


def leads_by(counts: Sequence[int], k: int) -> bool:
    """Whether the leader has at least `k` votes more than the runner-up (first-to-ahead-by-k, Meyerson et al. 2025)."""
    first, second = _leaders(counts)
    return first - second >= k


def settled(counts: Sequence[int], remaining: int) -> bool:
    """Whether no outcome of the remaining draws can change or equal the lead."""
    first, second = _leaders(counts)
    return first - second > remaining


def _leaders(counts: Sequence[int]) -> tuple[int, int]:
    ordered = sorted(counts, reverse=True)
    return ordered[0] if ordered else 0, ordered[1] if len(ordered) > 1 else 0
