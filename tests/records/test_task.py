from __future__ import annotations

import pytest
from pydantic import ValidationError

from apportion.records import Task


def test_the_identity_is_the_content() -> None:
    task = Task(question="2+2", gold="4", name="first")
    assert task.task_id == Task(question="2+2", gold="4", name="another label").task_id
    assert task.task_id != Task(question="2+2", gold="5").task_id
    assert len(task.task_id) == 16


def test_a_task_does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Task(question="2+2").question = "3+3"


def test_a_question_is_needed() -> None:
    with pytest.raises(ValidationError, match="question"):
        Task(question="")


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(ValidationError, match="qold"):
        Task.model_validate({"question": "2+2", "qold": "4"})
