"""Where choosing jointly gains nothing, the safe one loses nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from apportion.errors import UsageError
from apportion.optimizers.policies.cascade_rehearsal import Forecasts
from apportion.optimizers.policies.grouped import AllocateOnly, RouteOnly
from apportion.optimizers.policies.joint import Joint, JointUpFront
from apportion.optimizers.policies.joint_safe import JointSafe, Ladder
from apportion.optimizers.policies.rehearsal import Rehearsal, rehearse
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


LEARNED: tuple[type[Any], ...] = (AllocateOnly, RouteOnly, RouteThenAllocate, Joint)
"""Those that rest on a predictor, from the simplest on."""
MEMBERS = ("static_mix", "cascade_by_family", "allocate_only", "route_only", "route_then_allocate", "joint")
"""All, where nothing shows of answers, so that there are no cascades."""


@pytest.fixture(scope="module")
def blind(small: Learned) -> Learned:
    """A lesson whose answers show nothing."""
    lesson, predictor, _ = small
    silent = [replace(part, confidences=None) for part in (lesson.fit, lesson.validation)]
    told = replace(lesson, fit=silent[0], validation=silent[1])
    return told, predictor, rehearse(told, predictor)


def chosen_by_rung(
    blind: Learned,
    monkeypatch: pytest.MonkeyPatch,
    scores: NDArray[np.float64],
    arms: Callable[[str, bool], int],
) -> set[tuple[str, int]]:
    """The members that serve at any budget, each with the arm that all questions get.

    Args:
        blind: what is fitted to.
        monkeypatch: plants what the members choose.
        scores: what each arm reaches, in rehearsal.
        arms: the one arm that a member gives to all questions, from its name and whether the budget is the lesson's
            own or larger.
    """
    lesson, predictor, rehearsal = blind
    members = [make.from_predictor(lesson, predictor, rehearsal) for make in LEARNED]
    count, view = len(rehearsal.scores), rehearsal.view

    def choice(name: str, budget: float) -> NDArray[np.intp]:
        return np.full(count, arms(name, budget >= lesson.budget * count), np.intp)

    def reached(self: Forecasts, budget: float, *, unanswered: bool = False) -> tuple[NDArray[np.float64], float]:
        chosen = choice("static_mix" if unanswered else "cascade_by_family", budget)
        return scores[np.arange(count), chosen], float(view.costs[np.arange(count), chosen].sum())

    for make in LEARNED:
        monkeypatch.setattr(make, "choose", lambda self, view, budget: choice(self.name, budget))
    monkeypatch.setattr(Forecasts, "reached", reached)
    safe = JointSafe.from_predictor(lesson, predictor, replace(rehearsal, scores=scores), members)
    ladder = zip(safe.ladder.spends, safe.ladder.members, strict=True)
    return {(member, arms(member, budget >= lesson.budget)) for budget, member in ladder}


@pytest.mark.parametrize(
    ("errors", "member"), [(0.0, "static_mix"), (0.9, "static_mix"), (1.1, "joint"), (2.9, "joint")]
)
def test_the_simplest_serves_within_one_standard_error_of_the_best(
    blind: Learned, monkeypatch: pytest.MonkeyPatch, errors: float, member: str
) -> None:
    _, _, rehearsal = blind
    scores = np.full(rehearsal.scores.shape, 0.5)
    apart = np.where(np.arange(len(scores)) % 2, 0.1, -0.1)
    scores[:, 1] += apart + errors * apart.std(ddof=1) / np.sqrt(len(scores))
    found = chosen_by_rung(blind, monkeypatch, scores, lambda name, late: int(name == "joint"))
    assert found == {(member, int(member == "joint"))}


def test_more_budget_does_not_buy_less(blind: Learned, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the lesson's budget on the joint choice is better and cheaper than what served below it."""
    _, _, rehearsal = blind
    cheap, *_, dear = np.argsort(rehearsal.view.costs.sum(axis=0)).tolist()
    scores = np.full(rehearsal.scores.shape, 0.5)
    scores[:, cheap] = 0.9
    found = chosen_by_rung(blind, monkeypatch, scores, lambda name, late: cheap if name == "joint" and late else dear)
    assert {arm for _, arm in found} == {dear}


def test_a_budget_that_scores_less_is_not_spent(blind: Learned, monkeypatch: pytest.MonkeyPatch) -> None:
    lesson, predictor, rehearsal = blind
    cheap, *_, dear = np.argsort(rehearsal.view.costs.sum(axis=0)).tolist()
    scores = np.full(rehearsal.scores.shape, 0.5)
    scores[:, cheap] = 0.9
    count, view = len(scores), rehearsal.view

    def choice(budget: float) -> NDArray[np.intp]:
        return np.full(count, dear if budget >= lesson.budget * count else cheap, np.intp)

    members = [make.from_predictor(lesson, predictor, rehearsal) for make in LEARNED]
    for make in LEARNED:
        monkeypatch.setattr(make, "choose", lambda self, view, budget: choice(budget))
    monkeypatch.setattr(
        Forecasts,
        "reached",
        lambda self, budget, **_: (
            scores[np.arange(count), choice(budget)],
            float(view.costs[0, choice(budget)].sum()),
        ),
    )
    safe = JointSafe.from_predictor(lesson, predictor, replace(rehearsal, scores=scores), members)
    spent = safe.ladder.spends[safe.ladder.budgets >= lesson.budget]
    assert len(spent)
    assert (spent < lesson.budget).all()


def ladder_of(budgets: list[float], *members: str) -> Ladder:
    return Ladder(budgets=np.array(budgets), members=members, spends=np.array(budgets))


def test_between_two_rungs_the_more_complex_of_their_choices_serves(small: Learned) -> None:
    fitted = JointSafe.from_predictor(*small)
    ladder = ladder_of([10.0, 20.0, 30.0], "route_then_allocate", "static_mix", "route_only")
    safe = fitted.model_copy(update={"ladder": ladder})
    late, simple, routed = "route_then_allocate", "static_mix", "route_only"
    budgets = {5.0: late, 10.0: late, 15.0: late, 20.0: simple, 25.0: routed, 30.0: routed, 99.0: routed}
    assert {budget: safe.member(budget).name for budget in budgets} == budgets


def test_a_probe_that_others_need_is_paid_for_by_the_mixture_too(small: Learned) -> None:
    lesson, predictor, rehearsal = small
    probed = predictor.model_copy(update={"probe": "entropy", "probe_cost": 5.0, "probe_high": 6.0})
    fitted = JointSafe.from_predictor(lesson, predictor, rehearsal)
    batch = plant("crossing", 50, seed=3).table.batch()

    def safe(*members: str) -> JointSafe:
        ladder = ladder_of([300.0, 900.0], *members)
        return fitted.model_copy(update={"predictor": probed, "ladder": ladder})

    assert safe("static_mix", "static_mix").probe is None
    assert safe("static_mix", "route_only").probe == "entropy"
    alone, with_probe = (safe("static_mix", last).assign(batch, 250.0 * 50) for last in ("static_mix", "route_only"))
    mixed = fitted.mix.assign(batch, 245.0 * 50)
    assert with_probe.expected.tolist() == (mixed.expected + 5.0).tolist()
    assert with_probe.expected.sum() <= 250.0 * 50
    assert not np.array_equal(alone.arms, with_probe.arms)


def test_a_choice_among_members_that_do_not_exist_is_refused(small: Learned) -> None:
    content = JointSafe.from_predictor(*small).to_json()
    wrong = content["ladder"] | {"members": ["magic"] * len(content["ladder"]["members"])}
    with pytest.raises(UsageError, match="ladder must choose"):
        JointSafe.from_json(content | {"ladder": wrong})
    with pytest.raises(UsageError, match="schedules must be of members"):
        JointSafe.from_json(content | {"schedules": {"magic": content["schedules"]["route_only"]}})


def test_files_of_the_first_version_are_read(small: Learned) -> None:
    """Their members were known by number, and `joint` was what is `joint_up_front` now."""
    lesson, predictor, rehearsal = small
    joint = JointUpFront.from_predictor(lesson, predictor, rehearsal)
    content = JointSafe.from_predictor(lesson, predictor, rehearsal).to_json()
    budgets = content["ladder"]["budgets"]
    names = ("allocate_only", "route_only", "route_then_allocate")
    old = {field: content[field] for field in ("policy", "predictor", "mix")} | {
        "schedules": [*(content["schedules"][name] for name in names), joint.to_json()["schedule"]],
        "schedule": {"budgets": budgets, "choices": [4] * len(budgets)},
    }
    safe, batch = JointSafe.from_json(old), plant("crossing", 50, seed=3).table.batch()
    assert safe.member(300.0).name == "joint_up_front"
    assert safe.assign(batch, 300.0 * 50).arms.tolist() == joint.assign(batch, 300.0 * 50).arms.tolist()
    with pytest.raises(UsageError, match="members"):
        JointSafe.from_json(old | {"schedules": old["schedules"][:2]})
    with pytest.raises(UsageError, match="members"):
        JointSafe.from_json(old | {"schedule": {"budgets": budgets, "choices": [9] * len(budgets)}})
    assert JointSafe.from_json(safe.to_json()).ladder.members == safe.ladder.members


def test_its_members_are_named_simplest_first(small: Learned, blind: Learned) -> None:
    with_cascades = JointSafe.from_predictor(*small)
    assert [m.name for m in with_cascades._members] == ["static_mix", "cascade", *MEMBERS[1:], "sequential"]
    assert [m.name for m in JointSafe.from_predictor(*blind)._members] == list(MEMBERS)
