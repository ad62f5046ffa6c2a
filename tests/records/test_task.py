from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from apportion.errors import UsageError
from apportion.records import Task
from apportion.records.task import Perfect


def test_the_identity_is_the_content() -> None:
    task = Task(question="2+2", gold="4", name="first")
    assert task.task_id == Task(question="2+2", gold="4", name="another label").task_id
    assert task.task_id != Task(question="2+2", gold="5").task_id
    assert len(task.task_id) == 16


@pytest.mark.parametrize("field", ["question", "gold", "family", "instructions", "name"])
def test_what_utf8_cannot_hold_is_refused_at_once(field: str) -> None:
    with pytest.raises(ValidationError):
        Task.model_validate({"question": "q", field: "x\ud83d"})
    with pytest.raises(ValidationError, match="half of a surrogate pair"):
        Task(question="q", context=("fine", "x\ud83d"))


def test_metadata_must_be_json() -> None:
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    for wrong in ("x\ud83d", object(), deep):
        with pytest.raises(ValidationError, match="metadata cannot be written as JSON"):
            Task(question="q", metadata={"a": wrong})


def test_a_question_alone_that_cannot_be_asked_is_the_callers_to_mend() -> None:
    assert Task.asking("2+2?") == Task(question="2+2?")
    for wrong in ("", "x\ud83d", "x" * 200_001):
        with pytest.raises(UsageError, match="the question cannot be asked"):
            Task.asking(wrong)


def test_a_task_does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Task(question="2+2").question = "3+3"


def test_a_question_is_needed() -> None:
    with pytest.raises(ValidationError, match="question"):
        Task(question="")


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(ValidationError, match="qold"):
        Task.model_validate({"question": "2+2", "qold": "4"})


PERFECT: dict[str, Any] = {"parts": {"p1": "2+2"}, "combine": "{p1}", "answers": {"2+2": "4"}}


def test_what_perfect_nodes_would_say_is_no_part_of_the_identity() -> None:
    plain, told = (Task(question="2+2", gold="4", metadata=data) for data in ({}, {"perfect": PERFECT}))
    assert told.task_id == plain.task_id
    assert told.task_id != Task(question="2+2", gold="4", metadata={"choices": ["4"]}).task_id
    with_more = (Task(question="2+2", metadata={"facts": ["a"], **more}) for more in ({}, {"perfect": PERFECT}))
    assert len({task.task_id for task in with_more}) == 1
    assert (plain.perfect, told.perfect) == (Perfect(), Perfect(**PERFECT))
    assert Task.model_validate_json(told.model_dump_json()) == told


@pytest.mark.parametrize(
    ("perfect", "message"),
    [
        ({"parts": {"p1": 2}}, r"perfect\.parts\.p1: input should be a valid string"),
        ({"part": {}}, r"perfect\.part: extra inputs"),
        ({"parts": {"p1": "2+2"}}, "perfect: parts and combine belong together"),
        ("{p1}", "perfect: input should be a valid dictionary"),
    ],
)
def test_what_cannot_be_read_of_it_is_named(perfect: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Task(question="2+2", metadata={"perfect": perfect})
