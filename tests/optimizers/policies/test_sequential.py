from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from apportion.errors import UsageError
from apportion.optimizers.analysis.simulate import simulate
from apportion.optimizers.policies.cascade import Cascade
from apportion.optimizers.policies.cascade_by_family import CascadeByFamily
from apportion.optimizers.policies.correction_rehearsal import Way, rehearse_corrections
from apportion.optimizers.policies.correction_search import corrected
from apportion.optimizers.policies.joint import Joint
from apportion.optimizers.policies.joint_safe import JointSafe
from apportion.optimizers.policies.ladder import Ladder
from apportion.optimizers.policies.registry import policy_from_json, policy_to_json
from apportion.optimizers.policies.rehearsal import Rehearsal, rehearse
from apportion.optimizers.policies.sequences import TableReader
from apportion.optimizers.policies.sequential import Sequential, _level
from apportion.optimizers.prediction.predictor import Predictor, fit_predictor
from apportion.optimizers.tables.table import Arm, Batch, Lesson, Question, Table

BUDGETS = (1.5, 4.0, 8.0, 12.0, 30.0)


def table(count: int, seed: int, *, families: int = 2) -> Table:
    """Two cheap arms and two dear ones; which dear arm is right shows in what the cheap ones say, never in the text."""
    draw = np.random.default_rng(seed)
    kind = draw.integers(0, 3, count)
    answers = np.array([[0, 0, 0, 0], [-1, 1, 0, 2], [1, 2, 3, 0]])[kind]
    answers = np.where(draw.random((count, 4)) < 0.1, draw.integers(4, 9, (count, 4)), answers)
    abstained = np.zeros((count, 4))
    abstained[:, 0] = answers[:, 0] == -1
    return Table(
        tuple(Question(f"{seed}-{i}", "Which?", "fgh"[i % families]) for i in range(count)),
        tuple(Arm(name, (("solve", name),)) for name in "abcd"),
        (answers == 0).astype(np.float64)[:, :, None],
        draw.uniform(0.5, 1.5, (count, 4, 1)) * np.array([1.0, 1.0, 8.0, 8.0])[:, None],
        answers=answers[:, :, None],
        abstained=abstained[:, :, None],
    )


@cache
def learned(families: int = 2) -> tuple[Lesson, Predictor, Rehearsal]:
    lesson = Lesson(table(240, 1, families=families), table(80, 2, families=families), 8.0)
    predictor = fit_predictor(lesson, head="clusters", probes=False)
    return lesson, predictor, rehearse(lesson, predictor)


def at_way(way: Way) -> Sequential:
    """One way for all budgets."""
    lesson, _, rehearsal = learned()
    found = rehearsal.cascades
    lists = corrected(lesson.searched, found.by_family if way.by_family else found.cascades)[way.share]
    ladder = Ladder(budgets=np.ones(1), members=(way.name,), spends=np.ones(1))
    return Sequential(levels=(_level(lesson, way, lists),), ladder=ladder)


def test_it_gains_where_what_is_seen_says_which_arm_comes_next() -> None:
    lesson, _, rehearsal = learned()
    policy, test = Sequential.from_predictor(*learned()), table(600, 9)
    cascade = Cascade.from_cascades(lesson, rehearsal.cascades.cascades)
    level = policy.level(8.0)
    assert level is not None
    assert level.share > 0
    reached = {}
    for budget in BUDGETS:
        ours, one = (simulate(each, test, 600 * budget) for each in (policy, cascade))
        assert ours.cost <= 600 * budget * 1.05
        reached[budget] = ours.score.mean - one.score.mean
    assert reached[8.0] > 0.03
    assert min(reached.values()) > -0.01


@pytest.mark.parametrize("by_family", [False, True])
def test_without_anything_learned_it_is_the_best_list(by_family: bool) -> None:
    lesson, _, rehearsal = learned()
    found, test = rehearsal.cascades, table(200, 5)
    policy = at_way(Way(by_family, 0.0))
    plain = (
        CascadeByFamily.from_cascades(lesson, found.by_family)
        if by_family
        else Cascade.from_cascades(lesson, found.cascades)
    )
    for budget in BUDGETS:
        ours, lists = (simulate(each, test, 200 * budget) for each in (policy, plain))
        assert ours.scores.tolist() == lists.scores.tolist()
        assert ours.costs.tolist() == lists.costs.tolist()
        names = [[found.available[arm].name for arm in found.arms] for found in (ours, lists)]
        assert names[0] == names[1]
        high = [each.assign(test.batch(), 200 * budget).high.tolist() for each in (policy, plain)]
        assert high[0] == high[1]


def test_where_what_is_seen_tells_nothing_one_list_serves() -> None:
    lesson, _, _ = learned()
    draw = np.random.default_rng(0)

    def blurred(part: Table) -> Table:
        scores = (draw.random(part.scores.shape) < np.array([0.3, 0.3, 0.6, 0.6])[:, None]).astype(np.float64)
        return replace(part, scores=scores)

    noise = replace(lesson, fit=blurred(lesson.fit), validation=blurred(lesson.validation))
    policy = Sequential.fit(noise)
    test = blurred(table(2000, 11))
    plain = Cascade.fit(noise)
    for budget in BUDGETS:
        ours, one = (simulate(each, test, 2000 * budget).score.mean for each in (policy, plain))
        assert ours >= one - 0.02


def test_where_nothing_shows_of_answers_it_is_joint() -> None:
    lesson, predictor, _ = learned()
    blind = [replace(part, answers=None, abstained=None) for part in (lesson.fit, lesson.validation)]
    silent = replace(lesson, fit=blind[0], validation=blind[1])
    policy, joint = Sequential.from_predictor(silent, predictor), Joint.from_predictor(silent, predictor)
    assert policy.level(8.0) is None
    assert policy.arms == joint.arms
    batch = table(50, 4).batch()
    for budget in BUDGETS:
        ours, theirs = (each.assign(batch, 50 * budget) for each in (policy, joint))
        assert ours.arms.tolist() == theirs.arms.tolist()
        assert ours.high.tolist() == theirs.high.tolist()
    assert simulate(policy, blind[1], 80 * 8.0).costs.tolist() == simulate(joint, blind[1], 80 * 8.0).costs.tolist()
    assert Sequential.from_json(policy.to_json()).arms == policy.arms


def test_of_one_family_nothing_is_chosen_by_family() -> None:
    _, _, rehearsal = learned(1)
    assert {way.by_family for way in rehearsal.corrections} == {False}
    assert {way.by_family for way in learned()[2].corrections} == {False, True}


def test_rehearsed_forecasts_are_of_the_questions_of_the_rehearsal() -> None:
    _, _, rehearsal = learned()
    found = rehearse_corrections(rehearsal.cascades)
    assert list(found) == sorted(found, key=lambda way: (way.by_family, way.share))
    for forecasts in found.values():
        assert len(forecasts.real) == len(rehearsal.view.batch)
        assert np.array_equal(forecasts.real[:, :4], rehearsal.scores)
    assert found[Way(False, 0.0)] is rehearsal.cascades.one


def test_its_worst_case_is_that_of_the_questions_it_learned_from() -> None:
    lesson, _, _ = learned()
    policy = at_way(Way(True, 1.0))
    assert policy.follows(policy.assign(lesson.fit.batch(), 240 * 8.0).arms.max())
    for part in (lesson.fit, lesson.validation):
        for budget in BUDGETS:
            found = policy.assign(part.batch(), len(part.questions) * budget)
            reader = TableReader(policy, part)
            costs = reader.followed(found).paid(reader.costs)[:, 0]
            goes_on = np.array([bool(policy.follows(arm)) for arm in found.arms.tolist()])
            assert (costs <= found.high + 1e-9)[goes_on].all()


def test_the_safe_choice_serves_it_through_itself() -> None:
    """With it as the only member that serves, the same arms are asked, and what comes of them is the same."""
    lesson, predictor, rehearsal = learned()
    alone = Sequential.from_predictor(*learned())
    safe = JointSafe.from_predictor(lesson, predictor, rehearsal, [alone])
    assert safe.member(8.0).name == "sequential"
    only = Ladder(budgets=np.ones(1), members=("sequential",), spends=np.ones(1))
    through = JointSafe.from_json(json.loads(json.dumps(safe.model_copy(update={"ladder": only}).to_json())))
    test = table(200, 6)
    for budget in BUDGETS:
        ours, theirs = (simulate(each, test, 200 * budget) for each in (through, alone))
        assert ours.costs.tolist() == theirs.costs.tolist()
        assert ours.scores.tolist() == theirs.scores.tolist()
    arms = {number for number in range(len(through.arms)) if through.follows(number)}
    assert {through.arms[arm].name[:6] for arm in arms} == {"looks-"}
    old = {field: value for field, value in safe.to_json().items() if field != "sequential"}
    content = old | {"ladder": Ladder(budgets=np.ones(1), members=("joint",), spends=np.ones(1)).to_json()}
    assert JointSafe.from_json(content).member(8.0).name == "joint"
    with pytest.raises(UsageError, match="ladder must choose"):
        JointSafe.from_json(old)


def test_any_question_may_come_alone_and_none_may_come() -> None:
    policy = Sequential.from_predictor(*learned())
    for batch in (Batch((Question("new", "", "another family"),)), Batch(())):
        for budget in (0.0, *BUDGETS):
            assert len(policy.assign(batch, budget * len(batch)).arms) == len(batch)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("levels",), [], "levels and a ladder, or joint"),
        (("ladder",), None, "levels and a ladder, or joint"),
        (("ladder", "members"), ["family 7"] * 99, "ladder"),
        (("levels", 0, "share"), 2.0, "share"),
        (("levels", 0, "most"), [1.0], "most must have a cost for every arm"),
        (("levels", 0, "lists", 0, "cascade", "stages", 0, "arm"), "elsewhere", "'elsewhere', which is none of"),
        (("version",), 2, "version"),
    ],
)
def test_a_file_that_is_none_is_refused(path: tuple[str | int, ...], value: object, said: str) -> None:
    content = json.loads(json.dumps(policy_to_json(Sequential.from_predictor(*learned()))))
    assert policy_from_json(content).name == "sequential"
    holder = content
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    with pytest.raises(UsageError, match=said):
        policy_from_json(content)
