from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.errors import UsageError
from apportion.optimizers.policies.learned import Learned as LearnedPolicy
from apportion.optimizers.policies.registry import POLICIES
from apportion.optimizers.policies.rehearsal import Rehearsal, on_validation
from apportion.optimizers.policies.schedule import Schedule, budget_ladder, fit_schedule
from apportion.optimizers.policies.view import View
from apportion.optimizers.prediction.predictor import Prediction, Predictor
from apportion.optimizers.tables.table import Lesson
from apportion.testing.planted import planted_lesson

Learned = tuple[Lesson, Predictor, Rehearsal]


def rehearsal_of(small: Learned, scores: list[float], costs: list[float]) -> Rehearsal:
    """Twenty questions on which every arm scores and costs the same."""
    lesson, predictor, _ = small
    shape = (20, 1)
    prediction = Prediction(np.tile(scores, shape), np.tile(costs, shape), np.tile(costs, shape), predictor.arm_scores)
    view = View(predictor, lesson.validation.batch().take(np.arange(20)), prediction)
    return Rehearsal(view, np.tile(scores, shape), lesson, predictor)


def always(arm: int, least: float = 0.0) -> Callable[[float], np.ndarray | None]:
    return lambda budget: np.full(20, arm) if budget >= least * 20 else None


def dearest(costs: list[float]) -> Callable[[float], np.ndarray | None]:
    """A way that spends all that it is given, whether or not that is better."""

    def plan(budget: float) -> np.ndarray | None:
        within = [arm for arm, cost in enumerate(costs) if cost * 20 <= budget * (1 + 1e-9)]
        return np.full(20, max(within, key=costs.__getitem__)) if within else None

    return plan


def test_the_way_that_reaches_most_serves(small: Learned) -> None:
    rehearsal = rehearsal_of(small, [0.4, 0.5, 0.9], [10.0, 20.0, 50.0])
    schedule = fit_schedule(np.array([10.0, 20.0, 50.0]), [always(0, 10), always(1, 20), always(2, 50)], rehearsal)
    assert schedule.choices == (0, 1, 2)


def test_more_budget_never_buys_less(small: Learned) -> None:
    rehearsal = rehearsal_of(small, [0.4, 0.5, 0.9], [10.0, 20.0, 5.0])
    late = [always(0, 10), always(1, 20), always(2, 50)]
    schedule = fit_schedule(np.array([10.0, 20.0, 50.0]), late, rehearsal)
    assert schedule.choices == (0, 1, 1)


def test_a_budget_for_no_way_has_no_rung(small: Learned) -> None:
    rehearsal = rehearsal_of(small, [0.4], [10.0])
    schedule = fit_schedule(np.array([1.0, 10.0]), [always(0, 10)], rehearsal)
    assert schedule.budgets.tolist() == [10.0]
    assert list(fit_schedule(np.array([1.0]), [always(0, 10)], rehearsal).ways(100.0)) == []


def test_ways_below_are_tried_after_that_of_the_rung() -> None:
    schedule = Schedule(budgets=np.array([1.0, 2.0, 4.0, 8.0]), choices=(3, 1, 3, 0))
    assert list(schedule.ways(4.5)) == [3, 1]
    assert list(schedule.ways(0.1)) == [3]
    assert list(schedule.ways(99.0)) == [0, 3, 1]


def test_the_ladder_holds_the_budget_of_the_lesson() -> None:
    lesson = planted_lesson("crossing", 321.0, fit=40, validation=10)
    ladder = budget_ladder(lesson)
    costs = lesson.fit.mean_costs.mean(axis=0)
    assert 321.0 in ladder
    assert (np.diff(ladder) > 0).all()
    assert ladder[0] == pytest.approx(costs.min())
    assert ladder[-1] > costs.max()


def test_what_is_no_schedule_is_refused() -> None:
    with pytest.raises(UsageError, match="one length"):
        Schedule.from_json({"budgets": [1.0, 2.0], "choices": [0]})
    with pytest.raises(UsageError, match="budgets"):
        Schedule.from_json({"choices": [0]})


def test_a_rung_that_scores_less_is_served_by_the_one_below(small: Learned) -> None:
    rehearsal = rehearsal_of(small, [0.4, 0.7, 0.6, 0.9], [10.0, 20.0, 30.0, 60.0])
    costs = [10.0, 20.0, 30.0, 60.0]
    schedule = fit_schedule(np.array(costs), [dearest(costs)], rehearsal)
    assert schedule.spends.tolist() == [10.0, 20.0, 20.0, 60.0]
    # Between the two it is not known that more is better, above the last it is.
    assert [schedule.spent(budget) for budget in (5.0, 15.0, 20.0, 25.0, 30.0, 45.0, 99.0)] == [
        5.0, 15.0, 20.0, 20.0, 20.0, 45.0, 99.0,
    ]  # fmt: skip


@given(
    scores=st.lists(st.floats(0, 1), min_size=1, max_size=6),
    steps=st.lists(st.floats(0.1, 5), min_size=6, max_size=6),
    budgets=st.lists(st.floats(0.5, 60), min_size=1, max_size=8, unique=True),
)
def test_more_budget_never_scores_less_in_rehearsal(
    small: Learned, scores: list[float], steps: list[float], budgets: list[float]
) -> None:
    costs = np.cumsum(steps)[: len(scores)].tolist()
    plan = dearest(costs)
    schedule = fit_schedule(np.array(sorted(budgets)), [plan], rehearsal_of(small, scores, costs))
    reached = []
    for rung in schedule.budgets.tolist():
        assert schedule.spent(rung) <= rung
        chosen = plan(schedule.spent(rung) * 20)
        assert chosen is not None
        reached.append(scores[chosen[0]])
    assert reached == sorted(reached)


LADDERED = [
    name
    for name, made in ((name, POLICIES.named(name)) for name in POLICIES if name != "joint")
    if isinstance(made, type) and issubclass(made, LearnedPolicy)
]
"""`joint` is compared on questions with cascades, of which there are none here."""


@pytest.mark.parametrize("name", LADDERED)
def test_no_policy_scores_less_for_more_where_it_was_compared(small: Learned, name: str) -> None:
    lesson, predictor, rehearsal = small
    made: object = POLICIES.named(name)
    assert isinstance(made, type)
    assert issubclass(made, LearnedPolicy)
    policy = made.from_predictor(lesson, predictor, rehearsal)
    compared = on_validation(lesson, predictor) if made.has_own_model else rehearsal
    count = len(compared.view.batch)
    reached = []
    for rung in policy.schedule.budgets.tolist():
        chosen = policy.choose(compared.view, rung * count)
        reached.append(float(compared.scores[np.arange(count), chosen].mean()))
    assert reached == pytest.approx(np.maximum.accumulate(reached).tolist())


def test_files_of_the_first_version_spend_what_they_are_given() -> None:
    old = Schedule.from_json({"budgets": [1.0, 2.0], "choices": [0, 1]})
    assert [old.spent(budget) for budget in (0.5, 1.5, 9.0)] == [0.5, 1.5, 9.0]
    for spends in ([1.0], [1.0, 3.0], [1.0, 0.5]):
        with pytest.raises(UsageError, match="spends"):
            Schedule.from_json({"budgets": [1.0, 2.0], "choices": [0, 1], "spends": spends})
