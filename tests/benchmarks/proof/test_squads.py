from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from apportion import UsageError
from apportion.optimizers.policies import cascade_rehearsal
from apportion.optimizers.policies.cascade_by_family import cascades_by_family
from apportion.optimizers.policies.joint_safe import JointSafe
from apportion.optimizers.policies.learned import Learned
from apportion.optimizers.policies.registry import fit_all
from apportion.optimizers.tables.table import Arm, Lesson, Table
from apportion.testing.planted import plant
from benchmarks.proof.squads import contestants_named, entrants_of, halves, squads_of

_BUDGETS = {"tight": 200.0, "loose": 400.0}


def test_halves_are_taken_family_by_family() -> None:
    dev = plant("crossing", 400, seed=1).table
    fit, validation = halves(dev, 3, 0.75)
    assert sorted([*fit, *validation]) == list(range(400))
    families = np.array([question.family for question in dev.questions])
    for family in set(families):
        assert (families[fit] == family).sum() == round(0.75 * (families == family).sum())
    assert not np.array_equal(fit, halves(dev, 4, 0.75)[0])


def test_contestants_come_in_the_order_of_the_protocol_and_are_known() -> None:
    assert [one.label for one in contestants_named(["J", "U", "JointSafe"])] == ["U", "J", "JointSafe"]
    with pytest.raises(UsageError, match="no contestant 'X'"):
        contestants_named(["J", "X"])


def test_policies_are_those_that_fit_all_makes_and_cascades_are_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    dev, test = (replace(plant("crossing", count, seed=count).table, probes=()) for count in (150, 100))
    fit, validation = dev.take(np.arange(100)), dev.take(np.arange(100, 150))
    searched: list[int] = []

    def counted(table: Table) -> tuple[tuple[Arm, ...], tuple[Arm, ...]]:
        searched.append(len(table.questions))
        return cascades_by_family(table)

    monkeypatch.setattr(cascade_rehearsal, "cascades_by_family", counted)
    contestants = contestants_named(["R→A", "FrugalGPT", "Cascades", "UpFront", "J", "JointSafe"])
    squads = squads_of(fit, validation, test, {"free"}, budget=300.0, seed=0, portfolio=8, heads=("clusters",))
    found = dict(entrants_of(contestants, squads, _BUDGETS, 0))
    assert len(searched) == 7, "on all questions, without each of five folds, and on the fit part"
    squad = squads["free"]
    assert squad.rehearsal is not None
    for cap, budget in _BUDGETS.items():
        lesson = Lesson(squad.fit, squad.validation, budget, 0)
        predictor = squad.predictor
        assert predictor is not None
        cascades = fit_all(["cascade", "cascade_by_family"], lesson)
        for label, name in (("FrugalGPT", "cascade"), ("Cascades", "cascade_by_family")):
            assert found[cap][label].policy.to_json() == cascades[name].to_json()
        safe = found[cap]["JointSafe"].policy
        assert isinstance(safe, JointSafe)
        assert safe.to_json() == JointSafe.from_predictor(lesson, predictor, squad.rehearsal).to_json()
        joint = found[cap]["J"].policy
        assert isinstance(joint, Learned)
        assert safe.joint is joint, "a member that was fitted is not fitted anew"


def test_cascades_are_arms_of_the_tables_that_a_policy_meets() -> None:
    dev, test = (replace(plant("crossing", count, seed=count).table, probes=()) for count in (150, 100))
    fit, validation = dev.take(np.arange(100)), dev.take(np.arange(100, 150))
    squads = squads_of(fit, validation, test, {"free"}, budget=300.0, seed=0, portfolio=8, heads=("clusters",))
    ((_, found),) = entrants_of(contestants_named(["J"]), squads, {"middle": 300.0}, 0)
    entrant = found["J"]
    assert any(arm.stages for arm in entrant.policy.arms)
    assert {arm.name for arm in entrant.policy.arms} <= {arm.name for arm in entrant.test.arms}
    assert not any(arm.stages for arm in entrant.shows.arms)
    assert entrant.shows.shows_answers
