from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apportion.errors import UsageError
from apportion.optimizers.policies.corrected_list import (
    CorrectedList,
    Correction,
    boundaries,
    cell_families,
    most_frequent,
    outcome_of,
    states,
)
from apportion.optimizers.policies.sequential_policy import Seen, plurality
from apportion.optimizers.tables.cascades import Signs, cascade_arm, outcomes_of
from apportion.optimizers.tables.table import Arm, Question, Stage, Table
from apportion.records.status import Status

LIST = cascade_arm((Stage("a", stop="answered"), Stage("b", stop="agrees"), Stage("c")), "plurality")


def random_table(seed: int, count: int = 40, arms: str = "abcd", replicates: int = 1, **more: Any) -> Table:
    draw = np.random.default_rng(seed)
    shape = (count, len(arms), replicates)
    abstained = draw.random(shape) < 0.3
    answers = np.where(draw.random(shape) < 0.1, -1, draw.integers(0, 4, shape))
    sure = np.where(draw.random(shape) < 0.3, np.nan, np.round(draw.random(shape), 1))
    fields: dict[str, Any] = {"answers": answers, "abstained": abstained.astype(float), "confidences": sure}
    return Table(
        tuple(Question(f"q{i}", "?", "fg"[i % 2]) for i in range(count)),
        tuple(Arm(name) for name in arms),
        ((answers == 0) & ~abstained).astype(np.float64),
        np.round(draw.uniform(1, 9, shape), 2),
        **fields | more,
    )


def seen_of(table: Table, question: int, arms: tuple[int, ...]) -> tuple[Seen, ...]:
    signs = Signs.of(table)
    found = []
    for arm in arms:
        gave, answered, sure, answer = (
            each[arm, question, 0] for each in (signs.gave, signs.answered, signs.sure, signs.answers)
        )
        told = float(sure) if np.isfinite(sure) else None
        status = Status.OK if gave else Status.PARSE_ERROR
        found.append(
            Seen(arm, int(answer) if answered else -1, told if gave else None, bool(gave and not answered), status, 1.0)
        )
    return tuple(found)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_the_most_frequent_answer_is_the_same_for_one_question_and_for_a_table(seed: int) -> None:
    table = random_table(seed)
    signs = Signs.of(table)
    found = most_frequent(signs.flat())
    for question in range(len(table.questions)):
        assert plurality(seen_of(table, question, (0, 1, 2, 3))) == found[question]


def test_without_corrections_it_is_its_list() -> None:
    table = random_table(1, replicates=2)
    (found,) = outcome_of([CorrectedList(cascade=LIST)], table)
    scores, costs = outcomes_of([LIST], table)
    assert found.cost.tolist() == costs.ravel().tolist()
    real = np.swapaxes(table.scores, 0, 1).reshape(4, -1)
    assert real[found.standing, np.arange(len(found.cost))].tolist() == scores.ravel().tolist()
    assert CorrectedList(cascade=LIST).arm is LIST


def some_corrections(table: Table, seed: int, cascade: Arm = LIST) -> CorrectedList:
    """Corrections of some of the states that there are."""
    draw = np.random.default_rng(seed)
    signs = Signs.of(table).flat()
    usual = {"a": 0.5, "b": 0.4}
    chosen: dict[tuple[int, int, str | None], Correction] = {}
    for boundary in boundaries(cascade, table, signs, usual):
        asked = [stage.arm for stage in cascade.stages[: boundary.looks]]
        for state in np.unique(boundary.states[boundary.there]).tolist():
            for family in (None, "f"):
                if draw.random() < 0.5:
                    others = ["", *(arm.name for arm in table.arms if arm.name not in asked)]
                    arm = str(draw.choice(others))
                    chosen[boundary.looks, state, family] = Correction(
                        looks=boundary.looks, state=state, family=family, arm=arm
                    )
    return CorrectedList(cascade=cascade, usual=usual, corrections=tuple(chosen.values()))


@given(seed=st.integers(0, 10**6), final=st.sampled_from(["last", "first_sure", "plurality", "most_confident"]))
@settings(max_examples=60, deadline=None)
def test_one_question_is_decided_as_the_whole_table_is(seed: int, final: Any) -> None:
    table = random_table(seed)
    rules = [Stage("a", 0.5), Stage("a", stop="answered"), Stage("a", stop="always")]
    second = [Stage("b", 0.3), Stage("b", stop="agrees")]
    cascade = cascade_arm((rules[seed % 3], second[seed % 2], Stage("c")), final)
    corrected = some_corrections(table, seed, cascade)
    (whole,) = outcome_of([corrected], table)
    signs = Signs.of(table)
    at = {arm.name: number for number, arm in enumerate(table.arms)}
    for question in range(len(table.questions)):
        asked = ["a"]
        while True:
            numbers = [at[name] for name in asked]
            own = signs.take(numbers, np.array([question])).flat()
            family = table.questions[question].family
            after = corrected.after(asked, own, family)
            if after is None:
                break
            asked.append(after)
        assert table.costs[question, numbers, 0].sum() == pytest.approx(whole.cost[question])
        assert numbers[corrected.final(asked, own, family)] == whole.standing[question]
        assert set(asked[1:]) <= set(corrected.later)


def test_a_state_tells_what_counts_and_no_more() -> None:
    """Whether the list ends, the latest look, distinct answers, votes of the leading one, confidence beside usual."""
    answers = np.array([[4, 4, -1], [4, 4, 2], [4, 5, 2], [-1, 4, 2]])[:, :, None]
    sure = np.array([[0.9, 0.1, np.nan]] * 4)[:, :, None]
    abstained = np.array([[0, 0, 1], [0, 0, 0], [0, 0, 0], [1, 0, 0]], np.float64)[:, :, None]
    table = random_table(0, 4, "abc", answers=answers, abstained=abstained, confidences=sure)
    signs = Signs.of(table).flat()
    cascade = cascade_arm((Stage("a", stop="always"), Stage("b", stop="agrees"), Stage("c")), "plurality")
    cuts = np.array([0.5, 0.5, np.nan])
    one, two, three = (states(cascade, n, signs.take(range(n)), cuts[:n]).tolist() for n in (1, 2, 3))
    assert one == [2112, 2112, 2112, 1002]
    assert two == [13121, 13121, 2211, 2111]
    assert three == [11121, 12221, 12310, 12210]


def test_a_list_with_corrections_is_its_first_arm_under_a_name_of_its_own() -> None:
    corrected = some_corrections(random_table(3), 3)
    assert corrected.arm.stages == (Stage("a"),)
    assert corrected.arm.name != CorrectedList(cascade=LIST, corrections=corrected.corrections[:1]).arm.name
    again = CorrectedList.from_json(corrected.to_json())
    assert again.arm == corrected.arm
    assert again == corrected
    assert cell_families(random_table(3, 3, replicates=2)).tolist() == ["f", "f", "g", "g", "f", "f"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cascade": {"name": "x"}}, "cascade must have stages"),
        ({"corrections": [{"looks": 4, "state": 1}]}, "more looks than the list has arms"),
        ({"corrections": [{"looks": 1, "state": 1}] * 2}, "two corrections are for one state"),
        ({"corrections": [{"looks": 0, "state": 1}]}, "looks"),
        ({"corrections": [{"looks": 1, "state": 1.5}]}, "state"),
        ({"usual": {"a": None}}, "usual"),
    ],
)
def test_a_file_that_is_none_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        CorrectedList.from_json(CorrectedList(cascade=LIST).to_json() | change)
