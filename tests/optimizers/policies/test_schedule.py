from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from apportion.errors import UsageError
from apportion.optimizers.policies.rehearsal import Rehearsal
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
    prediction = Prediction(np.tile(scores, shape), np.tile(costs, shape), np.tile(costs, shape))
    view = View(predictor, lesson.validation.batch().take(np.arange(20)), prediction)
    return Rehearsal(view, np.tile(scores, shape), lesson, predictor)


def always(arm: int, least: float = 0.0) -> Callable[[float], np.ndarray | None]:
    return lambda budget: np.full(20, arm) if budget >= least * 20 else None


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
