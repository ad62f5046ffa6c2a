from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from apportion.errors import UsageError
from apportion.optimizers.tables.table import Arm, Probe, Question, Table, question_of
from apportion.records import Task

QUESTIONS = tuple(Question(f"q{number}", f"Is {number} fine?", "family") for number in range(3))
ARMS = (Arm("cheap", (("solve", "small"),)), Arm("dear", (("solve", "large"), ("judge", "small"))))
VALUES = np.arange(12.0).reshape(3, 2, 2)


def table(**changes: Any) -> Table:
    probe = Probe("entropy", np.array([0.1, 0.2, 0.3]), np.array([1.0, 2.0, 3.0]))
    content: dict[str, Any] = {
        "questions": QUESTIONS,
        "arms": ARMS,
        "scores": VALUES / 12,
        "costs": VALUES,
        "confidences": VALUES / 24,
        "probes": (probe,),
        "known": {"text": (np.array([7, 8, 9]),)},
    }
    return Table(**content | changes)


def test_some_questions_with_all_that_belongs_to_them() -> None:
    some = table().take(np.array([2, 0, 2]))
    assert [question.name for question in some.questions] == ["q2", "q0", "q2"]
    assert some.costs[:, 1, 1].tolist() == [11.0, 3.0, 11.0]
    assert some.confidences is not None
    assert some.confidences[:, 0, 0].tolist() == [8 / 24, 0.0, 8 / 24]
    assert some.probes[0].values.tolist() == [0.3, 0.1, 0.3]
    assert some.probes[0].costs.tolist() == [3.0, 1.0, 3.0]
    batch = some.batch().take(np.array([1]))
    assert len(batch) == 1
    assert (batch.questions[0].name, batch.probes["entropy"].tolist(), batch.known["text"][0].tolist()) == (
        "q0",
        [0.1],
        [7],
    )


def test_some_arms_and_some_replicates() -> None:
    assert table().with_arms([1]).arms == ARMS[1:]
    assert table().with_arms([1, 0]).costs[0].tolist() == [[2.0, 3.0], [0.0, 1.0]]
    assert table().replicates([1]).mean_costs.tolist() == VALUES[:, :, 1].tolist()
    assert table().mean_scores[0].tolist() == pytest.approx([0.5 / 12, 2.5 / 12])
    bare = table(confidences=None)
    for some in (bare.take(np.array([0])), bare.with_arms([0]), bare.replicates([0])):
        assert some.confidences is None


def test_arms_by_name() -> None:
    assert table().arm("dear") == 1
    assert [arm.single for arm in ARMS] == [True, False]
    with pytest.raises(UsageError, match="no arm 'other'"):
        table().arm("other")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"costs": VALUES[:, :, :1]}, r"\(3, 2, replicates\)"),
        ({"scores": VALUES[:2], "costs": VALUES[:2]}, r"\(3, 2, replicates\)"),
        ({"scores": VALUES[:, :, 0], "costs": VALUES[:, :, 0]}, r"\(3, 2, replicates\)"),
        ({"arms": (ARMS[0], ARMS[0])}, "the same name"),
        ({"scores": np.where(VALUES == 5, np.nan, 0)}, "must be numbers"),
        ({"costs": np.where(VALUES == 5, np.inf, 0)}, "must be numbers"),
        ({"costs": VALUES - 1}, "not negative"),
    ],
)
def test_what_is_no_table_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        table(**changes)


def test_a_policy_sees_of_a_task_what_is_asked_and_not_the_answer() -> None:
    task = Task(question="Is it?", gold="yes", family="f", difficulty=3)
    assert question_of(task) == Question(task.task_id, "Is it?", "f")
