"""Where choosing jointly gains nothing, the safe one loses nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from apportion.errors import UsageError
from apportion.optimizers.policies.grouped import AllocateOnly, RouteOnly
from apportion.optimizers.policies.joint import Joint
from apportion.optimizers.policies.joint_safe import JointSafe
from apportion.optimizers.policies.planning import assigned
from apportion.optimizers.policies.rehearsal import Rehearsal
from apportion.optimizers.policies.route_then_allocate import RouteThenAllocate
from apportion.optimizers.policies.static import StaticMix
from apportion.optimizers.prediction.predictor import Predictor
from apportion.optimizers.tables.table import Lesson
from apportion.testing.planted import Kind, plant

Learn = Callable[[Kind], tuple[Lesson, Predictor, Rehearsal]]
Learned = tuple[Lesson, Predictor, Rehearsal]


@pytest.mark.parametrize("kind", ["clones", "dominating"])
def test_it_does_not_lose_to_the_best_simple_policy(learn: Learn, kind: Kind) -> None:
    lesson, predictor, rehearsal = learn(kind)
    members = [make.from_predictor(lesson, predictor, rehearsal) for make in (RouteOnly, AllocateOnly)]
    safe = JointSafe.from_predictor(lesson, predictor, rehearsal, members)
    simple = [StaticMix.fit(lesson), *members]
    test = plant(kind, 1500, seed=9, hidden=0.0)
    for budget in (150.0, 300.0, 550.0):
        reached = [test.value(p.assign(test.table.batch(), budget * 1500).arms) for p in (safe, *simple)]
        assert reached[0] >= max(reached[1:]) - 0.01, f"at {budget}: {reached}"


def test_it_chooses_jointly_where_that_gains(learn: Learn) -> None:
    learned = learn("crossing")
    joint = Joint.from_predictor(*learned)
    safe = JointSafe.from_predictor(*learned, members=[joint])
    test = plant("crossing", 1500, seed=9, hidden=0.0)
    for budget in (300.0, 550.0):
        values = [test.value(policy.assign(test.table.batch(), budget * 1500).arms) for policy in (safe, joint)]
        assert values[0] >= values[1] - 0.01


MEMBERS: tuple[type[Any], ...] = (AllocateOnly, RouteOnly, RouteThenAllocate, Joint)
"""From the simplest on; the mixture comes before them."""


def chosen_by_rung(
    small: Learned,
    monkeypatch: pytest.MonkeyPatch,
    scores: NDArray[np.float64],
    arms: Callable[[int, bool], int],
) -> set[tuple[bool, int]]:
    """Which member serves, below the lesson's budget (False) and from there on (True).

    Args:
        small: what is fitted to.
        monkeypatch: plants what the members choose.
        scores: what each arm reaches, in rehearsal.
        arms: the one arm that a member gives to all questions, from its number, the mixture's being 0, and whether
            the budget is the lesson's own or larger.
    """
    lesson, predictor, rehearsal = small
    members = [make.from_predictor(lesson, predictor, rehearsal) for make in MEMBERS]
    count = len(rehearsal.scores)

    def choice(number: int, budget: float) -> NDArray[np.intp]:
        return np.full(count, arms(number, budget >= lesson.budget * count), np.intp)

    for number, make in enumerate(MEMBERS, 1):
        monkeypatch.setattr(make, "choose", lambda self, view, budget, number=number: choice(number, budget))
    view = rehearsal.view
    monkeypatch.setattr(StaticMix, "assign", lambda s, b, budget: assigned(choice(0, budget), view.costs, view.high))
    safe = JointSafe.from_predictor(lesson, predictor, replace(rehearsal, scores=scores), members)
    ladder = zip(safe.schedule.budgets, safe.schedule.choices, strict=True)
    return {(bool(budget >= lesson.budget), member) for budget, member in ladder}


@pytest.mark.parametrize(("errors", "member"), [(0.0, 0), (0.9, 0), (1.1, 4), (2.9, 4)])
def test_the_simplest_serves_within_one_standard_error_of_the_best(
    small: Learned, monkeypatch: pytest.MonkeyPatch, errors: float, member: int
) -> None:
    _, _, rehearsal = small
    scores = np.full(rehearsal.scores.shape, 0.5)
    apart = np.where(np.arange(len(scores)) % 2, 0.1, -0.1)
    scores[:, 1] += apart + errors * apart.std(ddof=1) / np.sqrt(len(scores))
    found = chosen_by_rung(small, monkeypatch, scores, lambda number, late: int(number == 4))
    assert found == {(False, member), (True, member)}


def test_more_budget_does_not_buy_less(small: Learned, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the lesson's budget on the joint choice is better and cheaper than what served below it."""
    _, _, rehearsal = small
    cheap, *_, dear = np.argsort(rehearsal.view.costs.sum(axis=0)).tolist()
    scores = np.full(rehearsal.scores.shape, 0.5)
    scores[:, cheap] = 0.9
    found = chosen_by_rung(small, monkeypatch, scores, lambda number, late: cheap if number == 4 and late else dear)
    assert found == {(False, 0), (True, 0)}


def test_between_two_rungs_the_more_complex_of_their_choices_serves(small: Learned) -> None:
    fitted = JointSafe.from_predictor(*small)
    schedule = fitted.schedule.model_copy(update={"budgets": np.array([10.0, 20.0, 30.0]), "choices": (3, 0, 2)})
    safe = fitted.model_copy(update={"schedule": schedule})
    names = [StaticMix.name, *(member.name for member in MEMBERS)]
    budgets = {5.0: 3, 10.0: 3, 15.0: 3, 20.0: 0, 25.0: 2, 30.0: 2, 99.0: 2}
    assert {budget: safe.member(budget).name for budget in budgets} == {b: names[n] for b, n in budgets.items()}


def test_a_probe_that_others_need_is_paid_for_by_the_mixture_too(small: Learned) -> None:
    lesson, predictor, rehearsal = small
    probed = predictor.model_copy(update={"probe": "entropy", "probe_cost": 5.0, "probe_high": 6.0})
    fitted = JointSafe.from_predictor(lesson, predictor, rehearsal)
    batch = plant("crossing", 50, seed=3).table.batch()

    def safe(first: int, last: int) -> JointSafe:
        schedule = fitted.schedule.model_copy(
            update={"choices": (first,) * (len(fitted.schedule.choices) - 1) + (last,)}
        )
        return fitted.model_copy(update={"predictor": probed, "schedule": schedule})

    assert safe(0, 0).probe is None
    assert safe(0, 4).probe == "entropy"
    alone, with_probe = (safe(0, last).assign(batch, 250.0 * 50) for last in (0, 4))
    mixed = fitted.mix.assign(batch, 245.0 * 50)
    assert with_probe.expected.tolist() == (mixed.expected + 5.0).tolist()
    assert with_probe.expected.sum() <= 250.0 * 50
    assert not np.array_equal(alone.arms, with_probe.arms)


def test_a_choice_among_members_that_do_not_exist_is_refused(small: Learned) -> None:
    content = JointSafe.from_predictor(*small).to_json()
    with pytest.raises(UsageError, match="members"):
        JointSafe.from_json(content | {"schedules": content["schedules"][:2]})
    broken = content["schedule"] | {"choices": [9] * len(content["schedule"]["choices"])}
    with pytest.raises(UsageError, match="members"):
        JointSafe.from_json(content | {"schedule": broken})
