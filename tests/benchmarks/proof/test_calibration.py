from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

from apportion.optimizers.tables.table import UNANSWERED
from benchmarks.proof import calibration
from benchmarks.proof.calibration import WAYS, Sizes, differences, world_of
from benchmarks.proof.draws import Resample, Statistic
from benchmarks.proof.equal_cost import at_cost, neighbours
from benchmarks.proof.paths import choice_of

_SMALL = Sizes(fit=80, validation=60, test=300, draws=100)


def test_a_world_is_the_same_twice_with_other_luck() -> None:
    world = world_of(3, _SMALL)
    assert world.own.arms == world.copy.arms
    assert not np.array_equal(world.own.scores, world.copy.scores)
    assert world.own.mean_scores.mean() == pytest.approx(world.copy.mean_scores.mean(), abs=0.05)
    assert {question.text for question in world.own.questions} == {"a question"}
    assert not world.own.shows_answers
    choice = choice_of(world.policy, world.own, world.own.batch(), 400.0)
    assert UNANSWERED not in choice.arms


def test_a_policy_that_is_held_against_itself_gains_nothing() -> None:
    resample = Resample(_SMALL.test, _SMALL.draws, 0)
    for seed in range(4):
        world = world_of(seed, _SMALL)
        choice = choice_of(world.policy, world.own, world.own.batch(), 400.0)
        score, cost = Statistic.means(np.column_stack([choice.scores, choice.costs]), resample)
        pair = neighbours(world.policy, world.own, world.own.batch(), 400.0, cost.estimate)
        gap = score - at_cost({"itself": pair}, cost, resample)["itself"]
        assert gap.estimate == pytest.approx(0.0)
        assert gap.draws == pytest.approx(np.zeros(_SMALL.draws), abs=1e-12)


def test_what_is_printed_has_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [differences(_SMALL, seed) for seed in range(4)]
    assert all(list(each) == list(WAYS) for each in found)
    monkeypatch.setattr(calibration, "in_processes", lambda work, jobs, processes: iter(found))
    import typer

    app = typer.Typer()
    app.command()(calibration.main)
    told = CliRunner().invoke(app, ["--worlds", "4", "--test", "300"]).output
    assert told.startswith("4 worlds, 300 test questions")
    mean = 100 * np.mean([each["own dial, by cost"].estimate for each in found])
    assert f"mean {mean:+.2f}" in told
