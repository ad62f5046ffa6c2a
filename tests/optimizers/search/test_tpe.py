from __future__ import annotations

import logging
from itertools import count

import pytest

from apportion.optimizers.search.base import Optimizer, ProblemSpec
from apportion.optimizers.search.measurement import Measurement
from apportion.optimizers.search.tpe import TPE
from apportion.testing.optimizer import OptimizerConformance, planted_space, race


class TestTPE(OptimizerConformance):
    def make(self, spec: ProblemSpec) -> Optimizer:
        return TPE(spec)


def begin(seed: int = 0, affordable: float = 1e9) -> TPE:
    return TPE(ProblemSpec(planted_space(), tasks=80, affordable=affordable, seed=seed, spend=6e4))


def test_the_estimator_proposes_what_the_race_did_not_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apportion.optimizers.search.tpe._ROUNDS", 0)
    raced = race(begin())
    monkeypatch.undo()
    found = race(begin())
    assert set(raced) < set(found)


def test_the_best_plan_that_the_cap_allows_comes_first() -> None:
    search = begin(affordable=100.0)
    measured = race(search)
    first = measured[search.survivors(measured)[0].hash]
    fitting = [m for m in measured.values() if len(m.outcomes) == 80 and m.cost <= 100.0]
    assert first.cost <= 100.0
    assert first.score == max(m.score for m in fitting)


def test_a_stopped_search_goes_on_where_it_stopped() -> None:
    whole = race(begin())
    search, measured = begin(), dict[str, Measurement]()
    for turn in count():
        proposals = search.propose(measured)
        if not proposals:
            break
        for proposal in proposals:
            measured[proposal.plan.hash] = whole[proposal.plan.hash].first(proposal.tasks)
        if turn % 4 == 3:
            search = begin()
    assert measured == whole


def test_optuna_writes_no_log(capfd: pytest.CaptureFixture[str]) -> None:
    import optuna

    before = optuna.logging.get_verbosity()
    race(begin())
    written = capfd.readouterr()
    assert (written.out, written.err) == ("", "")
    assert optuna.logging.get_verbosity() == before == logging.INFO
