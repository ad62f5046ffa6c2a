from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from apportion.budgets.cap import Cap
from apportion.errors import UnknownName, UsageError
from apportion.optimizers.policies.registry import fit_all, policies_named
from apportion.optimizers.study import policy_selection
from apportion.optimizers.study.policy_selection import Comparison, compare, portfolio_of_study, rank
from apportion.optimizers.tables.table import Arm, Lesson, Question, Table

Floats = NDArray[np.float64]

ARMS = (Arm("cheap"), Arm("dear"), Arm("other"))
COSTS = np.array([1.0, 2.0, 3.0])


def table(scores: Floats) -> Table:
    """A table of what every arm scores (questions, arms), at one cost an arm."""
    questions = tuple(Question(f"q{number}", f"Is {number} fine?") for number in range(len(scores)))
    return Table(questions, ARMS, scores[:, :, None], np.broadcast_to(COSTS, scores.shape)[:, :, None], "tokens")


def ahead(errors: float, questions: int = 40) -> Floats:
    """Scores (questions, arms): those of the dear arm lie so many standard errors of the differences above the others'.

    With none they are all the same.
    """
    apart = np.where(np.arange(questions) % 2, 0.1, -0.1)
    scores = np.full((questions, len(ARMS)), 0.5)
    scores[:, 1] += apart + errors * apart.std(ddof=1) / np.sqrt(questions) if errors else 0.0
    return scores


@pytest.fixture
def choose(planted: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Compares policies, each of which gives one arm to all, on a validation part."""

    def choose(validation: Floats, arms: Mapping[str, int]) -> Comparison:
        found = iter((table(validation), table(validation)))

        async def tabulate(*_: Any, **__: Any) -> Table:
            return next(found)

        def fit_all(makers: Any, lesson: Any) -> Mapping[str, Any]:
            names = [make.name for make in makers]
            asked = [question.name for question in lesson.validation.questions]
            wanted = {name: np.where(np.arange(len(ARMS)) == arms[name], 1.0, 0.0) for name in names}
            costs = dict.fromkeys(asked, COSTS)
            return {name: named(name, ARMS, dict.fromkeys(asked, wanted[name]), costs) for name in names}

        def named(name: str, *given: Any) -> Any:
            made = planted(*given)
            made.name = name
            return made

        monkeypatch.setattr(policy_selection, "tabulate", tabulate)
        monkeypatch.setattr(policy_selection, "fit_all", fit_all)
        given: Any = {"runner": None, "plans": (), "parts": {"fit": (), "validation": ()}, "scorer": None}
        compared = compare(**given, policies=policies_named(arms), budget=100.0, cap=Cap(total=1e6), account="study")
        return asyncio.run(compared)

    return choose


@pytest.mark.parametrize(("errors", "chosen"), [(0.0, "static"), (0.9, "static"), (1.1, "joint"), (2.9, "joint")])
def test_the_simplest_within_one_standard_error_of_the_best_is_chosen(choose: Any, errors: float, chosen: str) -> None:
    found = choose(ahead(errors), {"static": 0, "route_only": 2, "joint": 1})
    assert found.chosen == found.member == chosen
    assert found.policy.name == chosen
    assert [score.policy for score in found.scores] == ["static", "route_only", "joint"]


def test_joint_safe_comes_before_the_others_where_it_is_close_enough(choose: Any) -> None:
    assert choose(ahead(0.9), {"static": 0, "joint": 1, "joint_safe": 2}).chosen == "joint_safe"
    assert choose(ahead(1.1), {"static": 0, "joint": 1, "joint_safe": 2}).chosen == "joint"


def test_a_cascade_is_left_out_where_no_arm_says_how_sure_it_is(choose: Any) -> None:
    found = choose(ahead(0.0), {"static": 0, "cascade": 1})
    assert [*found.policies] == ["static"]


def test_too_few_tasks_and_unknown_names_are_refused(choose: Any) -> None:
    with pytest.raises(UsageError, match="at least 10 tasks"):
        choose(ahead(0.0, questions=9), {"static": 0})
    with pytest.raises(UnknownName, match="did you mean 'static'"):
        choose(ahead(0.0), {"sttic": 0})


def test_a_portfolio_has_what_it_must_and_as_much_as_can_be_paid() -> None:
    measured, must = table(ahead(2.9)), cast(Any, [SimpleNamespace(hash="other")])
    whole = portfolio_of_study(measured, must, lambda arms: True)
    assert sorted(whole) == [0, 1, 2]
    two = portfolio_of_study(measured, must, lambda arms: len(arms) == 2)
    assert len(two) == 2
    assert 2 in two
    assert portfolio_of_study(measured, must, lambda arms: False) == []
    # Where the cheapest is also the best for every question, it stands alone, whatever could be paid.
    alone = table(np.tile([1.0, 0.5, 0.5], (40, 1)))
    assert portfolio_of_study(alone, [], lambda arms: False) == [0]


def test_policies_are_ranked_with_their_dollars_beside_their_cost() -> None:
    count = 40
    questions = tuple(Question(f"q{i}", "") for i in range(count))
    scores, costs = np.tile([0.5, 1.0], (count, 1)), np.tile([1.0, 4.0], (count, 1))
    dollars = np.tile([0.25, 0.01], (count, 1))[:, :, None]
    table = Table(questions, (Arm("cheap"), Arm("dear")), scores[:, :, None], costs[:, :, None], money=dollars)
    policies = fit_all(["static", "static_mix"], Lesson(table, table, 4.0))
    (static, mix), chosen = rank(policies, table, 4.0)
    assert (static.policy, static.cost, static.usd, chosen) == ("static", 4.0, 0.01, "static")
    assert mix.usd == pytest.approx(0.01)
    (thrifty, _), _ = rank(policies, table.take(np.arange(20)).with_arms([0, 1]), 1.0)
    assert (thrifty.cost, thrifty.usd) == (1.0, 0.25)
    (unpriced, _), _ = rank(policies, replace(table, money=None), 4.0)
    assert unpriced.usd is None
    (in_dollars, _), _ = rank(policies, replace(table, unit="usd"), 4.0)
    assert in_dollars.usd is None
    with pytest.raises(UsageError, match="in dollars"):
        replace(table, money=dollars[:3])


def noise(count: int, seed: int) -> Table:
    """Ten arms that are right half the time, whatever they say and however sure they are."""
    draws, shape = np.random.default_rng(seed), (count, 10, 1)
    return Table(
        tuple(Question(f"{seed}-{n}", f"what {n}", "ab"[n % 2]) for n in range(count)),
        tuple(Arm(f"a{n}", models=(("s", f"m{n}"),), setting="{}") for n in range(10)),
        (draws.random(shape) < 0.5).astype(np.float64),
        np.broadcast_to(np.linspace(100, 140, 10)[None, :, None], shape) * draws.uniform(0.9, 1.1, shape),
        confidences=draws.random(shape),
        answers=draws.integers(0, 4, shape),
        abstained=np.zeros(shape),
    )


def test_cascades_do_not_flatter_themselves_where_policies_are_compared() -> None:
    """Nothing can be gained here, so what validation says of each policy must lie near one half."""
    told: dict[str, list[float]] = {}
    for seed in range(4):
        lesson = Lesson(noise(120, 2 * seed), noise(80, 2 * seed + 1), 300.0, seed, judged=True)
        policies = fit_all(["static_mix", "cascade", "cascade_by_family", "joint", "joint_safe"], lesson)
        scores, _ = rank(policies, lesson.validation, 300.0, seed=seed)
        for score in scores:
            told.setdefault(score.policy, []).append(score.score)
    for name, found in told.items():
        assert np.mean(found) < 0.5 + 0.07, name
