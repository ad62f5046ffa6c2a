"""When enough samples have been drawn. A rule sees the votes of the first two answers and nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Annotated, Any

from pydantic import AfterValidator

from ..errors import UsageError
from ..registry import Registry
from .numbered import numbered

__all__ = [
    "BETA_CONFIDENCE",
    "RULES",
    "STOP_RULES",
    "StopRule",
    "agree",
    "ahead_by",
    "beta",
    "enough",
    "majority_probability",
    "settled",
]

BETA_CONFIDENCE = 0.95
"""The threshold of the rule `beta`, as in its source."""


def beta(first: int, second: int) -> bool:
    """Whether the leader is the majority with probability 0.95; see `majority_probability`."""
    return majority_probability(first, second) >= BETA_CONFIDENCE


def ahead_by(first: int, second: int, number: int) -> bool:
    """Whether the leader has so many votes more than the runner-up (first-to-ahead-by-k, Meyerson et al. 2025)."""
    return first - second >= number


def agree(first: int, second: int, number: int) -> bool:
    """Whether so many votes are for one answer."""
    return first >= number


def _checked(name: str, rule: object) -> Callable[..., Any]:
    if not callable(rule):
        raise UsageError(f"stop rule {name!r} is no function (first, second) -> bool but a {type(rule).__name__}")
    return rule


RULES: Registry[Callable[..., Any]] = Registry(
    "stop rule",
    "apportion.stop_rules",
    _checked,
    {"beta": "nodes.stopping:beta", "ahead_by": "nodes.stopping:ahead_by", "agree": "nodes.stopping:agree"},
)
"""Functions from the votes of the leader and of the runner-up to whether that is enough; see `numbered` for those with
a number. The package's own, and those that installed packages register."""


@lru_cache(maxsize=256)
def _named(rule: str) -> Callable[[int, int], Any]:
    return numbered(RULES, rule)


def _known(rule: str) -> str:
    _named(rule)
    return rule


StopRule = Annotated[str, AfterValidator(_known)]
"""`beta`: the leader is the majority with probability 0.95. `ahead_by_K`: it has K votes more than the runner-up.
`agree_K`: it has K votes. K is a whole number from 1 on."""

STOP_RULES: tuple[StopRule, ...] = ("beta", "ahead_by_2", "ahead_by_3")
"""Those that vote curves tell of, beside a node's own."""


def enough(rule: StopRule, counts: Sequence[int], remaining: int | None = None) -> bool:
    """Whether to stop drawing.

    Args:
        rule: which rule decides.
        counts: the votes for each distinct answer so far, in any order.
        remaining: how many more may be drawn, where the vote is one of plain majority: when they cannot change the
            leader, drawing stops under every rule.

    Raises:
        UnknownName, UsageError: there is no such rule.
    """
    first, second = _leaders(counts)
    return (remaining is not None and settled(first, second, remaining)) or bool(_named(rule)(first, second))


def majority_probability(first: int, second: int) -> float:
    """The probability that the leading answer is the more likely one of the first two.

    With v1 and v2 votes it is P(p > 1/2) for p ~ Beta(v1 + 1, v2 + 1), the stop criterion of Adaptive-Consistency
    (Aggarwal et al. 2023). For whole numbers that is the binomial sum over j <= v1 of C(v1 + v2 + 1, j) / 2^(v1+v2+1).
    """
    draws = first + second + 1
    at_most_first = sum(math.comb(draws, j) for j in range(first + 1))
    return float(at_most_first / 2**draws)


def settled(first: int, second: int, remaining: int) -> bool:
    """Whether no outcome of the remaining draws can change or equal the lead."""
    return first - second > remaining


def _leaders(counts: Sequence[int]) -> tuple[int, int]:
    ordered = sorted(counts, reverse=True)
    return ordered[0] if ordered else 0, ordered[1] if len(ordered) > 1 else 0
