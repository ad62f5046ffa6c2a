"""From a table of outcomes to what policies learn from, and what they are priced on."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from ...errors import UsageError
from ...tasks.dealing import dealt_together, grouped
from ..arrays import Floats, Ints
from .clusters import clustered
from .strata import strata
from .table import Lesson, Question, Table

__all__ = ["best_arm", "best_arms", "lesson_from", "lessons_from", "mean_at", "set_aside", "shuffled"]

_FEWEST = 4
_VALIDATES = (False, True, False, False, True, False, False, True, False, False)
"""Of any ten questions in a row three validate, the others are learned from."""


def set_aside(table: Table, share: float) -> tuple[Table, Table]:
    """Divides questions into those to learn from and those that are kept aside; clusters stay together.

    Which part a cluster is in depends on its first name and the share alone, so whoever names the same share finds the
    same parts of the same questions.

    Raises:
        UsageError: the share is not in [0, 1).
    """
    if not 0 <= share < 1:
        raise UsageError(f"the share to set aside must be at least 0 and below 1, not {share:g}")
    table = clustered(table)
    aside = np.zeros(len(table.questions), bool)
    for members in grouped(table.clusters or [""] * len(aside)):
        first = min((table.questions[number] for number in members), key=lambda question: question.name)
        aside[members] = _place("aside", first) < share
    return table.take(np.flatnonzero(~aside)), table.take(np.flatnonzero(aside))


def shuffled(table: Table) -> Table:
    """The same table with its questions in the order of hashes of their names.

    Where forecasts are equal, the earlier question is served better, and the order of a file must not be a rule.
    """
    return table.take(np.argsort([_place("order", question) for question in table.questions], kind="stable"))


def lesson_from(table: Table, budget: float | None = None, *, seed: int = 0, together: bool = True) -> Lesson:
    """Divides questions 70/30 into those that policies are fitted to and those that they are compared on.

    Within each family too, in the order of hashes of their names and the seed; clusters stay together, here and in all
    that is cross-fitted. They are those that the table gives, else near-duplicates, see `clusters_of`.

    Args:
        table: at least four questions.
        budget: what a question may cost on average; what the best single arm costs where left out.
        seed: of the division and of all that is fitted.
        together: whether clusters stay together; where not, what is learned of a template is judged on the same one.

    Raises:
        UsageError: there are too few questions.
    """
    if len(table.questions) < _FEWEST:
        raise UsageError(f"{len(table.questions)} questions are too few to learn from; at least {_FEWEST} are needed")
    table = shuffled(clustered(table) if together else replace(table, clusters=None))
    if budget is None:
        budget = float(table.mean_costs.mean(axis=0)[best_arm(table)])
    keys = [(question.family, _place(f"lesson/{seed}", question)) for question in table.questions]
    groups = grouped(table.clusters or [""] * len(keys))
    validates = np.array(dealt_together(keys, _VALIDATES, groups))
    return Lesson(
        fit=table.take(np.flatnonzero(~validates)),
        validation=table.take(np.flatnonzero(validates)),
        budget=budget,
        seed=seed,
    )


def lessons_from(table: Table, budget: float | None = None, *, seed: int = 0) -> tuple[Lesson, ...]:
    """As `lesson_from`, of each stratum of a table: where arms were not run on some questions, there are several.

    Args:
        table: at least four questions.
        budget: what a question may cost on average; what the best arm of each stratum costs where left out.
        seed: of the divisions and of all that is fitted.

    Raises:
        UsageError: there are too few questions.
    """
    if len(table.questions) < _FEWEST or not table.gaps:
        return (lesson_from(table, budget, seed=seed),)
    budget = mean_at(table.mean_costs, best_arms(table)) if budget is None else budget
    lessons = []
    for stratum in strata(table):
        few = len(stratum.questions) < _FEWEST
        lessons.append(
            Lesson(shuffled(stratum.table), stratum.table.take(np.arange(0)), budget, seed)
            if few
            else lesson_from(stratum.table, budget, seed=seed)
        )
    return tuple(lessons)


def best_arms(table: Table, budget: float = np.inf) -> Ints:
    """(questions,): the best single arm of each question's stratum, see `best_arm`; without gaps one arm for all."""
    found = np.empty(len(table.questions), np.intp)
    names = {arm.name: number for number, arm in enumerate(table.arms)}
    for stratum in strata(table):
        found[stratum.questions] = names[stratum.table.arms[best_arm(stratum.table, budget)].name]
    return found


def mean_at(values: Floats, arms: Ints) -> float:
    """The mean of (questions, arms) at one arm a question."""
    return float(values[np.arange(len(arms)), arms].mean())


def best_arm(table: Table, budget: float = np.inf) -> int:
    """The arm with the best mean score of those that cost no more on average; the cheapest where all cost more.

    Args:
        table: without gaps; see `best_arms`.
        budget: what a question may cost on average.
    """
    scores, costs = table.mean_scores.mean(axis=0), table.mean_costs.mean(axis=0)
    if not (costs <= budget).any():
        return int(np.argmin(costs))
    affordable = np.where(costs <= budget, scores, -np.inf)
    return int(np.lexsort((costs, -affordable))[0])


def _place(purpose: str, question: Question) -> float:
    """A number in [0, 1) that looks random."""
    digest = hashlib.sha256(f"{purpose}:{question.name}".encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48
