"""What every policy must do, as a test class to subclass.

Example:
    ```python
    class TestMine(PolicyConformance):
        def make(self) -> MakePolicy:
            return Mine
    ```
"""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from ..errors import UsageError
from ..optimizers.analysis.gain import price
from ..optimizers.policies.base import ArmPolicy, Assignment, MakePolicy
from ..optimizers.policies.registry import POLICIES, fit_each, policy_from_json, policy_to_json
from ..optimizers.policies.sequences import TableReader
from ..optimizers.policies.sequential_policy import STOP, Seen, Successor
from ..optimizers.tables.cascades import outcomes_of
from ..optimizers.tables.split import lessons_from
from ..optimizers.tables.table import UNANSWERED, Batch, Lesson, Question, Table
from ..records.status import Status
from .hostile import hostile
from .planted import plant, planted_lesson

__all__ = ["PolicyConformance", "few_arms_lesson", "gapped_lessons", "gapped_table", "shown_lesson", "small_lesson"]

_BUDGETS = (0.0, 60.0, 130.0, 200.0, 320.0, 520.0, 850.0, 5000.0)
"""A question, from too little for any arm to more than enough for all."""
_HOSTILE = 20
"""Files with something wrong in them that are tried."""
_SLACK = 0.02
"""By how much of itself a spend may fall where the budget rises: forecasts differ from batch to batch."""

_WITHOUT = "tales"
"""The topic on which some arms were not run."""
_MISSING = {"thinker-4", "thinker-8"}
"""These arms."""


class PolicyConformance:
    """The tests; see the text of this module."""

    def make(self) -> MakePolicy:
        """The policy's class, or whatever else has its `fit` and `from_json`."""
        raise NotImplementedError

    def fit(self, lesson: Lesson) -> ArmPolicy:
        """Fits the policy; the lessons are always the same few, so that what is costly may be kept."""
        return _fitted(self.make().fit, lesson)

    def fit_anew(self, lesson: Lesson) -> ArmPolicy:
        """Fits the policy once more, with nothing kept."""
        return self.make().fit(lesson)

    def fit_parts(self, lessons: tuple[Lesson, ...]) -> ArmPolicy:
        """Fits the policy to the parts of a table with gaps."""
        return fit_each([self.make()], lessons)[self.make().name]

    def new_questions(self) -> Batch:
        """Questions that the policy has not seen."""
        return plant("crossing", 90, seed=77).table.batch()

    def test_it_says_what_it_is(self) -> None:
        """Its JSON names it, and its arms are those of the lesson or cascades of them."""
        lesson = small_lesson()
        policy = self.fit(lesson)
        assert policy.to_json()["policy"] == policy.name
        known = {arm.name for arm in lesson.fit.arms}
        assert policy.arms
        for arm in policy.arms:
            assert arm.name in known or (arm.stages and {stage.arm for stage in arm.stages} <= known)
        assert policy.probe is None or policy.probe in {probe.name for probe in lesson.fit.probes}

    def test_the_same_questions_and_budget_give_the_same_assignment(self) -> None:
        """Whatever was asked before, and however often it is fitted."""
        policy, batch = self.fit(small_lesson()), self.new_questions()
        before = [_total(policy, batch, budget) for budget in _BUDGETS]
        policy.assign(batch.take(np.arange(7)), 1e4)
        assert _same(before, [_total(policy, batch, budget) for budget in _BUDGETS])
        again = self.fit_anew(small_lesson())
        assert _same(before[3:5], [_total(again, batch, budget) for budget in _BUDGETS[3:5]])

    def test_it_chooses_among_its_arms(self) -> None:
        """One number a question, each of an arm or `UNANSWERED`, with costs that can be added up."""
        policy, batch = self.fit(small_lesson()), self.new_questions()
        for budget in _BUDGETS:
            _check(policy, batch, _total(policy, batch, budget))

    def test_what_it_expects_to_spend_is_within_the_budget(self) -> None:
        """Unless even the cheapest arms cost more: then nothing that answers all questions is cheaper."""
        policy, batch = self.fit(small_lesson()), self.new_questions()
        found = [_total(policy, batch, budget) for budget in _BUDGETS]
        answered = [float(a.expected.sum()) for a in found if (a.arms != UNANSWERED).all()]
        for budget, assignment in zip(_BUDGETS, found, strict=True):
            spend = float(assignment.expected.sum())
            if spend > budget * len(batch) * (1 + 1e-9):
                assert spend <= min(answered) * (1 + 1e-9), f"{spend} planned within {budget * len(batch)}"

    def test_more_budget_does_not_buy_less(self) -> None:
        """The budget is the dial between cost and score."""
        policy, batch = self.fit(small_lesson()), self.new_questions()
        spends = [float(_total(policy, batch, budget).expected.sum()) for budget in _BUDGETS]
        for less, more in pairwise(spends):
            assert more >= less * (1 - _SLACK), f"spends {[round(s) for s in spends]} at budgets {_BUDGETS} a question"
        assert spends[-1] > spends[1]

    def test_its_json_reads_back(self) -> None:
        """A policy is put to use elsewhere from its JSON alone."""
        policy, batch = self.fit(small_lesson()), self.new_questions()
        text = json.dumps(policy.to_json(), allow_nan=False)
        again = self.make().from_json(json.loads(text))
        assert (again.name, again.probe, again.arms) == (policy.name, policy.probe, policy.arms)
        for budget in _BUDGETS:
            assert _same([_total(policy, batch, budget)], [_total(again, batch, budget)])
        assert json.dumps(again.to_json(), allow_nan=False) == text

    def test_foreign_json_is_refused(self) -> None:
        """With an error that the user can act on."""
        content = dict(self.fit(small_lesson()).to_json())
        for broken in ({}, {"policy": "no such policy"}, {**content, "policy": "no such policy"}):
            with pytest.raises(UsageError):
                self.make().from_json(broken)

    def test_hostile_json_is_refused_or_harmless(self) -> None:
        """Files come from anywhere: what is wrong in one is an error that names the field, not a fault in use."""
        content, batch = dict(self.fit(small_lesson()).to_json()), self.new_questions()
        generator = random.Random(0)
        for _ in range(_HOSTILE):
            wrong = hostile(content, generator)
            if not isinstance(wrong, dict):
                continue
            with contextlib.suppress(UsageError):
                policy = self.make().from_json(wrong)
                for budget in (_BUDGETS[3], _BUDGETS[-1]):
                    _check(policy, batch, _total(policy, batch, budget))

    def test_what_shows_of_answers_is_used_by_its_rules(self) -> None:
        """Cascades are of the lesson's arms, at most four, and can be priced; choices and JSON are as of any arm."""
        lesson = shown_lesson()
        policy, batch = self.fit(lesson), self.new_questions()
        known = {arm.name for arm in lesson.fit.arms}
        for arm in policy.arms:
            assert len(arm.stages) <= 4
            assert {stage.arm for stage in arm.stages} <= known
        scores, costs = outcomes_of(policy.arms, lesson.validation)
        assert ((scores >= 0) & (scores <= 1)).all()
        assert (costs > 0).all()
        again = self.make().from_json(json.loads(json.dumps(policy.to_json(), allow_nan=False)))
        assert again.arms == policy.arms
        for budget in _BUDGETS:
            found = _total(policy, batch, budget)
            _check(policy, batch, found)
            assert _same([found], [_total(again, batch, budget)])

    def test_sequences_stay_within_their_worst_case(self) -> None:
        """Where an arm may be followed by others, all that is asked costs no more than the assignment says.

        On the questions that were learned from; a policy that decides once has nothing that follows.
        """
        lesson = shown_lesson()
        policy = self.fit(lesson)
        for table in (lesson.fit, lesson.validation):
            reader = TableReader(policy, table)
            for budget in _BUDGETS:
                found = _total(policy, table.batch(), budget)
                costs = reader.followed(found).paid(reader.costs).max(axis=1)
                goes_on = np.array([arm != UNANSWERED and bool(reader.successor.follows(arm)) for arm in found.arms])
                assert (costs <= found.high + 1e-9)[goes_on].all(), f"at {budget} a question"

    def test_sequences_end_and_ask_no_arm_twice(self) -> None:
        """What follows an arm is what `follows` says, and any budget that is left is no reason for an error."""
        lesson = shown_lesson()
        policy = self.fit(lesson)
        successor, reader = Successor(policy), TableReader(policy, lesson.validation)
        for budget in _BUDGETS:
            found = _total(policy, lesson.validation.batch(), budget)
            for number, arm in enumerate(found.arms.tolist()):
                course = reader.follow(number, 0, arm, float(found.high[number]))
                assert len(set(course.asked)) == len(course.asked)
                if arm == UNANSWERED:
                    assert not course.asked
                    continue
                assert set(course.asked[1:]) <= set(successor.follows(arm))
                assert course.final in course.asked
        generator = random.Random(0)
        for question in lesson.validation.questions[:10]:
            for arm in set(found.arms.tolist()) - {UNANSWERED}:
                for left in (-1.0, 0.0, 1e12):
                    _follow_anywhere(successor, question, arm, left, generator)

    def test_sequences_depend_on_what_was_seen_alone(self) -> None:
        """Whatever was asked before, in any order, and also when read back from JSON; nothing of the policy changes."""
        lesson = shown_lesson()
        policy = self.fit(lesson)
        before = json.dumps(policy.to_json(), allow_nan=False)
        again = self.make().from_json(json.loads(before))
        table = lesson.validation
        for budget in _BUDGETS[2:]:
            found = _total(policy, table.batch(), budget)
            sequences = []
            for each, order in ((policy, 1), (policy, -1), (again, 1)):
                reader = TableReader(each, table)
                numbers = range(len(table.questions))[::order]
                asked = [reader.follow(i, 0, int(found.arms[i]), float(found.high[i])) for i in numbers]
                sequences.append(asked[::order])
            assert sequences[0] == sequences[1] == sequences[2]
        assert json.dumps(policy.to_json(), allow_nan=False) == before

    def test_one_question_alone(self) -> None:
        """Any question may come alone, also one unlike all that were seen; and none may come at all."""
        policy, batch = self.fit(small_lesson()), self.new_questions()
        strange = Batch((Question("strange", "", "another family"),), {n: v[:1] for n, v in batch.probes.items()})
        for alone in (batch.take(np.array([3])), strange, batch.take(np.empty(0, np.intp))):
            for budget in _BUDGETS:
                _check(policy, alone, _total(policy, alone, budget))

    def test_one_arm_leaves_no_choice(self) -> None:
        """A table of one arm is a table."""
        policy = self.fit(few_arms_lesson("one"))
        batch = self.new_questions()
        assert set(_total(policy, batch, 5000.0).arms.tolist()) == {0}
        for budget in _BUDGETS:
            _check(policy, batch, _total(policy, batch, budget))

    def test_two_arms_that_are_the_same(self) -> None:
        """Nothing is to be gained, and nothing breaks."""
        policy, batch = self.fit(few_arms_lesson("clones")), self.new_questions()
        for budget in _BUDGETS:
            _check(policy, batch, _total(policy, batch, budget))

    def test_an_arm_that_is_better_and_cheaper_is_taken(self) -> None:
        """There is no reason for the other one, whatever the budget."""
        policy, batch = self.fit(few_arms_lesson("dominated")), self.new_questions()
        for budget in _BUDGETS[2:]:
            arms = [policy.arms[number].name for number in _total(policy, batch, budget).arms]
            assert arms.count("good") >= 0.9 * len(arms), f"at {budget} a question: {arms.count('good')} of {len(arms)}"

    def test_an_arm_is_chosen_only_where_it_was_run(self) -> None:
        """Where arms have no outcomes on a family, they are neither chosen nor counted there, whatever the budget.

        Those that are missing are the best of all elsewhere, so that who takes a gap for a score goes for them.
        """
        table, batch, make = gapped_table(), self.new_questions(), self.make()
        policy = self.fit_parts(gapped_lessons())
        assert policy.name == make.name
        missing = np.array([bool({arm.name, *(stage.arm for stage in arm.stages)} & _MISSING) for arm in policy.arms])
        there = np.array([question.family == _WITHOUT for question in batch.questions])
        spends = []
        for budget in _BUDGETS:
            found = _total(policy, batch, budget)
            _check(policy, batch, found)
            answered = there & (found.arms != UNANSWERED)
            assert not missing[found.arms[answered]].any(), f"at {budget} a question"
            spends.append(float(found.expected.sum()))
            assert spends[-1] <= max(budget * len(batch), spends[0]) * (1 + 1e-9)
        assert spends[-1] > spends[1]
        # Nor does pricing meet a gap: it would be an error.
        assert 0 < price(policy, table, 300.0).score.mean <= 1
        others = () if POLICIES.get(make.name) is make else (make,)
        again = policy_from_json(json.loads(json.dumps(policy_to_json(policy), allow_nan=False)), policies=others)
        for budget in _BUDGETS:
            assert _same([_total(policy, batch, budget)], [_total(again, batch, budget)])


def _follow_anywhere(successor: Successor, question: Question, arm: int, left: float, generator: random.Random) -> None:
    """Follows a policy through looks that came to anything: `Successor` refuses what is no arm, or an arm again."""
    seen: tuple[Seen, ...] = ()
    while arm != STOP:
        status = generator.choice([Status.OK, Status.OK, Status.PARSE_ERROR, Status.PROVIDER_ERROR])
        answers = [one.answer for one in seen]
        abstained = status is Status.OK and generator.random() < 0.3
        number = -1 if abstained or status.failed else generator.randint(0, max(answers, default=-1) + 1)
        confidence = None if status.failed or generator.random() < 0.5 else generator.random()
        seen = (*seen, Seen(arm, number, confidence, abstained, status, generator.uniform(0, 100)))
        assert 0 <= successor.answer(question, seen) < len(seen)
        arm = successor.next(question, seen, left)


@cache
def small_lesson() -> Lesson:
    """Eight arms whose curves cross, 120 questions to learn from and 60 to compare on."""
    return planted_lesson("crossing", 300.0, fit=120, validation=60, replicates=2)


@cache
def shown_lesson() -> Lesson:
    """A lesson whose answers show something: which are one, which abstain, and none how sure it is."""
    lesson = planted_lesson("dominating", 300.0, fit=80, validation=40, seed=4)
    return replace(lesson, fit=_shown(lesson.fit), validation=_shown(lesson.validation))


def _shown(table: Table) -> Table:
    """Right answers are one, wrong ones are of three kinds, and half of what is wrong abstains."""
    generator = np.random.default_rng(len(table.questions))
    wrong = table.scores < 0.5
    abstained = wrong & (generator.random(wrong.shape) < 0.5)
    answers = np.where(abstained, -1, np.where(wrong, generator.integers(1, 4, wrong.shape), 0))
    return replace(table, confidences=None, answers=answers, abstained=abstained.astype(np.float64), probes=())


@cache
def gapped_table() -> Table:
    """180 questions of four topics; on one of them the two dearest settings of a model were not run."""
    table = plant("crossing", 180, seed=3).table
    there = np.array([question.family == _WITHOUT for question in table.questions])
    ran = ~(there[:, None] & np.array([arm.name in _MISSING for arm in table.arms]))
    values = [np.where(ran[:, :, None], each, np.nan) for each in (table.scores, table.costs)]
    return replace(table, scores=values[0], costs=values[1], ran=ran)


@cache
def gapped_lessons() -> tuple[Lesson, ...]:
    """What policies learn of `gapped_table`: a lesson for the topic, and one for the others."""
    return lessons_from(gapped_table(), 300.0)


@cache
def few_arms_lesson(kind: str) -> Lesson:
    """One arm; or two clones; or two arms of which one is better and cheaper.

    Args:
        kind: one, clones or dominated.
    """
    lesson = small_lesson()
    return replace(lesson, fit=_few(lesson.fit, kind, 60), validation=_few(lesson.validation, kind, 30))


def _few(table: Table, kind: str, questions: int) -> Table:
    table = replace(table.take(np.arange(questions)), probes=())
    if kind == "one":
        return table.with_arms([2])
    scores, costs = table.scores[:, [2, 2]].copy(), table.costs[:, [2, 2]].copy()
    sure = None if table.confidences is None else table.confidences[:, [2, 2]]
    if kind == "dominated":
        scores[:, 0], scores[:, 1] = 1.0, 0.0
        costs[:, 0], costs[:, 1] = 100.0, 150.0
    names = ("good", "bad") if kind == "dominated" else ("first", "second")
    arms = tuple(replace(table.arms[2], name=name, models=(("solve", name),)) for name in names)
    return replace(table, arms=arms, scores=scores, costs=costs, confidences=sure)


@cache
def _fitted(fit: Callable[[Lesson], ArmPolicy], lesson: Lesson) -> ArmPolicy:
    return fit(lesson)


def _total(policy: ArmPolicy, batch: Batch, per_question: float) -> Assignment:
    return policy.assign(batch, per_question * len(batch))


def _same(left: Sequence[Assignment], right: Sequence[Assignment]) -> bool:
    return all(
        np.array_equal(one.arms, other.arms)
        and np.array_equal(one.expected, other.expected)
        and np.array_equal(one.high, other.high)
        for one, other in zip(left, right, strict=True)
    )


def _check(policy: ArmPolicy, batch: Batch, assignment: Assignment) -> None:
    assert assignment.arms.shape == assignment.expected.shape == assignment.high.shape == (len(batch),)
    assert np.issubdtype(assignment.arms.dtype, np.integer)
    assert ((assignment.arms >= 0) & (assignment.arms < len(policy.arms)) | (assignment.arms == UNANSWERED)).all()
    assert np.isfinite(assignment.high).all()
    assert (assignment.expected >= 0).all()
    assert (assignment.high >= assignment.expected).all()
