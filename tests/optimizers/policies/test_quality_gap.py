from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from apportion.optimizers.policies.pairs import promising_pairs, route_pair
from apportion.optimizers.policies.quality_gap import QualityGap, gap_targets, relaxation
from apportion.optimizers.policies.rehearsal import Rehearsal
from apportion.optimizers.policies.view import View
from apportion.optimizers.prediction.predictor import Prediction, Predictor
from apportion.optimizers.tables.table import Arm, Batch, Lesson, Question, Table
from apportion.testing.planted import Kind, plant

Learned = tuple[Lesson, Predictor, Rehearsal]


def table(small: list[list[float]], large: list[list[float]]) -> Table:
    scores = np.stack([np.array(small), np.array(large)], axis=1)
    questions = tuple(Question(str(number), "?") for number in range(len(scores)))
    return Table(questions, (Arm("small"), Arm("large")), scores, np.ones_like(scores))


def test_targets_compare_all_draws() -> None:
    found = table([[1.0, 0.0], [0.0, 0.0], [0.5, 0.5]], [[1.0, 1.0], [1.0, 0.0], [0.7, 0.7]])
    assert gap_targets(found, (0, 1), 0.0).tolist() == [0.5, 0.5, 0.0]
    assert gap_targets(found, (0, 1), 0.2).tolist() == [0.5, 0.5, 1.0]


def test_the_relaxation_spreads_the_targets() -> None:
    """The smaller arm is never as good; half of the time it comes near."""
    near, far = [[0.75]] * 10, [[0.1]] * 10
    assert relaxation(table(near + far, [[1.0]] * 20), (0, 1)) == pytest.approx(0.3)
    assert relaxation(table([[1.0]] * 5 + [[0.0]] * 5, [[1.0]] * 10), (0, 1)) == 0.0


def view_of(predictor: Predictor, costs: np.ndarray) -> View:
    batch = Batch(tuple(Question(str(number), "?") for number in range(len(costs))))
    return View(predictor, batch, Prediction(np.zeros_like(costs), costs, costs, predictor.arm_scores))


def test_those_in_need_go_first_as_far_as_the_budget_goes(small: Learned) -> None:
    view = view_of(small[1], np.tile([1.0, 3.0], (4, 1)))
    need = np.array([0.2, 0.9, 0.5, 0.7])

    def routed(least: float, budget: float) -> list[int]:
        chosen = route_pair(view, (0, 1), need, least, budget)
        assert chosen is not None
        return [int(arm) for arm in chosen]

    assert route_pair(view, (0, 1), need, 0.0, 3.9) is None
    assert [routed(0.0, b) for b in (4.0, 7.9, 8.0, 99.0)] == [[0] * 4, [0, 1, 0, 0], [0, 1, 0, 1], [1] * 4]
    assert routed(0.6, 99.0) == [0, 1, 0, 1]


def test_pairs_are_those_of_which_one_is_good_where_the_other_is_not(small: Learned) -> None:
    """Not only those on the frontier of averages: the second arm is nowhere the best for its cost on average."""
    batch = Batch(tuple(Question(str(number), "?") for number in range(4)))
    scores = np.array([[1.0, 0.1, 0.5], [0.9, 0.2, 0.5], [0.1, 0.9, 0.5], [0.8, 0.1, 0.5]])
    costs = np.tile([10.0, 10.0, 30.0], (4, 1))
    forecast = Prediction(scores, costs, costs, scores.mean(axis=0))
    pairs = promising_pairs(View(small[1], batch, forecast), np.array([10.0, 99.0]))
    assert pairs[0] == (0, 1)
    assert set(pairs) <= {(0, 1), (0, 2), (1, 2)}


def test_it_sends_what_the_smaller_arm_cannot_do_to_the_larger(learn: Callable[[Kind], Learned]) -> None:
    policy = QualityGap.from_predictor(*learn("crossing"))
    test = plant("crossing", 600, seed=9, hidden=0.0)
    for budget in (150.0, 300.0):
        chosen = policy.assign(test.table.batch(), budget * 600).arms
        used = np.unique(chosen)
        assert len(used) == 2
        cheap, dear = sorted(used, key=lambda arm: test.costs[:, arm].mean())
        gap = test.chances[:, dear] - test.chances[:, cheap]
        assert gap[chosen == dear].mean() > gap[chosen == cheap].mean() + 0.1
