from __future__ import annotations

import json

import numpy as np
import pytest

from apportion.errors import UsageError
from apportion.optimizers.analysis.gain import mixture_at, price
from apportion.optimizers.analysis.simulate import simulate
from apportion.optimizers.policies.registry import fit_each, policy_from_json, policy_to_json
from apportion.optimizers.policies.static import Static
from apportion.optimizers.policies.stratified import Stratified
from apportion.optimizers.tables.split import lessons_from
from apportion.optimizers.tables.table import UNANSWERED, Arm, Batch, Question, Table


def table(count: int = 120) -> Table:
    """Cheap, middling and dear; on family "odd" the middling arm was not run, and the dear one gains little there."""
    questions = tuple(Question(f"q{i}", "", "odd" if i % 2 else "even") for i in range(count))
    scores, costs = np.tile([0.25, 0.75, 1.0], (count, 1)), np.tile([1.0, 4.0, 10.0], (count, 1))
    scores[1::2] = [0.5, np.nan, 0.75]
    costs[1::2, 1] = np.nan
    ran = ~np.isnan(scores)
    return Table(
        questions, tuple(Arm(a) for a in ("cheap", "middling", "dear")), scores[:, :, None], costs[:, :, None], ran=ran
    )


def fitted(name: str = "static") -> Stratified:
    policy = fit_each([name], lessons_from(table(), 5.0))[name]
    assert isinstance(policy, Stratified)
    return policy


def chosen(policy: Stratified, per_question: float) -> dict[str, set[str]]:
    batch = table().batch()
    found = policy.assign(batch, per_question * len(batch)).arms
    names = [policy.arms[arm].name if arm != UNANSWERED else "-" for arm in found]
    return {
        family: {name for name, question in zip(names, batch.questions, strict=True) if question.family == family}
        for family in ("even", "odd")
    }


def test_the_budget_goes_to_the_families_where_it_gains_most() -> None:
    policy = fitted()
    assert chosen(policy, 1.0) == {"even": {"cheap"}, "odd": {"cheap"}}
    # Half a point for three more is the best bargain; then a quarter for six, then a quarter for nine.
    assert chosen(policy, 2.6) == {"even": {"middling"}, "odd": {"cheap"}}
    assert chosen(policy, 5.6) == {"even": {"dear"}, "odd": {"cheap"}}
    assert chosen(policy, 10.1) == {"even": {"dear"}, "odd": {"dear"}}


def test_a_gap_is_no_failure_and_costs_nothing() -> None:
    policy = fitted()
    even, odd = sorted(policy.parts, key=lambda part: part.families)
    assert isinstance(even.policy, Static)
    assert isinstance(odd.policy, Static)
    assert even.policy.means.scores.tolist() == [0.25, 0.75, 1.0]
    assert (odd.policy.means.scores.tolist(), odd.policy.means.costs.tolist()) == ([0.5, 0.75], [1.0, 10.0])
    found = price(policy, table(), 2.6)
    assert (found.score.mean, found.cost) == (0.625, 2.5)
    assert (found.best_arm, found.best_arm_score) == ("cheap", 0.375)
    assert price(policy, table(), 11.0).best_arm == "dear"


def test_the_mixture_beside_it_mixes_within_the_arms_that_were_run() -> None:
    at = mixture_at(table(), 2.5)
    assert at[0::2] == pytest.approx(0.75)
    assert at[1::2] == pytest.approx(0.5)
    everything = mixture_at(table(), 100.0)
    assert everything[0::2] == pytest.approx(1.0)
    assert everything[1::2] == pytest.approx(0.75)
    assert mixture_at(table(), 0.0) == pytest.approx(0.0)


def test_questions_of_unseen_families_go_to_the_largest_part() -> None:
    few = table().take(np.arange(1, 120)).take(np.flatnonzero(np.arange(119) % 4 != 0))
    policy = fit_each(["static"], lessons_from(few, 5.0))["static"]
    assert isinstance(policy, Stratified)
    largest = max(policy.parts, key=lambda part: part.questions)
    found = policy.assign(Batch((Question("new", "", "nobody's"),)), 4.0)
    assert policy.arms[int(found.arms[0])].name in {arm.name for arm in largest.policy.arms}
    assert len(policy.assign(Batch(()), 4.0).arms) == 0


def test_a_part_too_small_to_learn_from_has_the_best_arm_for_all() -> None:
    rows = np.append(np.arange(0, 120, 2), [1, 3])
    policy = fit_each(["joint"], lessons_from(table().take(rows), 5.0))["joint"]
    assert isinstance(policy, Stratified)
    assert {part.families: part.policy.name for part in policy.parts} == {("even",): "joint", ("odd",): "static"}
    assert policy.name == "joint"


def test_a_policy_that_chooses_an_arm_where_it_was_not_run_cannot_be_priced() -> None:
    whole = table().take(np.arange(0, 120, 2))
    policy = fit_each(["static"], lessons_from(whole, 5.0))["static"]
    with pytest.raises(UsageError, match="arm 'middling' for question 'q1' of family 'odd', on which it was not run"):
        simulate(policy, table(), 5.0 * 120)
    with pytest.raises(UsageError, match="smaller --set-aside"):
        price(policy, table(), 5.0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("budgets", [0.0]),
        ("budgets", [3.0, 2.0, 1.0, 0.0]),
        ("scores", []),
        ("families", ["odd", "even"]),
        ("policy", {}),
        ("policy", {"policy": "static", "strata": []}),
        ("questions", "many"),
    ],
)
def test_hostile_parts_are_refused(field: str, value: object) -> None:
    content = json.loads(json.dumps(policy_to_json(fitted())))
    assert policy_from_json(content).name == "static"
    content["strata"][0][field] = value
    with pytest.raises(UsageError):
        policy_from_json(content)
    wrong: tuple[object, ...] = ([], {}, [1], None)
    for broken in wrong:
        with pytest.raises(UsageError):
            policy_from_json({"policy": "static", "strata": broken})
