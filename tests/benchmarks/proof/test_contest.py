from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from apportion.errors import UsageError
from apportion.optimizers.tables.table import Arm, Question, Table
from apportion.testing.planted import plant
from benchmarks.proof.contest import ContestOutcome, Match, budgets_of, hold
from benchmarks.proof.protocol import CONTESTANTS, Protocol

_PROTOCOL = Protocol(questions=300, fit=200, validation=100, draws=60, portfolio=8, barriers=4, heads=("clusters",))


def _match(labels: tuple[str, ...], orders: int = 0) -> Match:
    dev = replace(plant("crossing", 300, seed=1).table, probes=())
    test = replace(plant("crossing", 300, seed=2).table, probes=())
    return Match("planted", dev, test, {"middle": 250.0}, labels, 0, _PROTOCOL, ("clusters",), orders, exact=True)


@pytest.fixture(scope="module")
def everyone() -> ContestOutcome:
    return hold(_match(tuple(contestant.label for contestant in CONTESTANTS), orders=2))


def test_every_contestant_meets_every_question(everyone: ContestOutcome) -> None:
    assert [showing.label for showing in everyone.showings] == [contestant.label for contestant in CONTESTANTS]
    for showing in everyone.showings:
        assert 0.3 < showing.score.estimate < 0.9
        assert len(showing.score.draws) == 60
        assert len(showing.score.left_out) == 300
        assert len(showing.matched.draws) == 60
    joint = next(showing for showing in everyone.showings if showing.label == "J")
    assert sum(joint.asked.values()) > 300, "some questions go through several stages"
    assert max(joint.asked.values()) <= 300
    assert everyone.head == "clusters"
    assert 0 <= everyone.inexact < 0.05


def test_nobody_passes_the_cap_under_the_governor(everyone: ContestOutcome) -> None:
    ordered = {"U", "R", "A", "R→A", "UpFront", "J", "JointSafe"}
    for showing in everyone.showings:
        assert len(showing.served_scores) == (2 if showing.label in ordered else 1)
        assert max(showing.served_costs) <= 250.0 + 1e-9
        assert showing.score.estimate == pytest.approx(np.mean(showing.served_scores))


def test_all_are_compared_at_what_the_joint_policy_really_cost(everyone: ContestOutcome) -> None:
    joint = next(showing for showing in everyone.showings if showing.label == "J")
    for showing in everyone.showings:
        assert showing.mixed_cost == pytest.approx(joint.cost.estimate)
        assert 0 <= showing.mixed_share <= 1
        assert abs(showing.matched.estimate - showing.score.estimate) < 0.05


def test_a_match_is_the_same_when_it_is_held_again() -> None:
    first, second = (hold(_match(("R", "J"))) for _ in range(2))
    for one, other in zip(first.showings, second.showings, strict=True):
        assert np.array_equal(one.score.draws, other.score.draws)
        assert one.asked == other.asked


def test_a_match_needs_the_joint_policy_and_knows_its_contestants() -> None:
    with pytest.raises(UsageError, match="needs J"):
        hold(_match(("U", "R")))
    with pytest.raises(UsageError, match="no contestant 'X'"):
        hold(_match(("J", "X")))


def test_caps_lie_between_the_cheapest_arm_and_the_best_static_one() -> None:
    asked = tuple(Question(str(i), "x") for i in range(2))
    scores = np.array([[[0.0], [1.0], [0.5]]] * 2)
    costs = np.array([[[1.0], [16.0], [400.0]]] * 2)
    table = Table(asked, (Arm("a"), Arm("b"), Arm("c")), scores, costs)
    budgets = budgets_of(table, {"tight": 0.25, "middle": 0.5, "loose": 1.0})
    assert list(budgets.values()) == pytest.approx([2.0, 4.0, 16.0])
    with pytest.raises(UsageError, match="costs nothing"):
        budgets_of(replace(table, costs=0 * costs), {"tight": 0.25})
