"""What files call the fields of a task; `load_tasks` with names of the user's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from apportion.errors import DevSetError, UnknownName, UsageError
from apportion.records.task import Task
from apportion.tasks.devset import load_tasks
from apportion.tasks.devset_fields import Naming

CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2 + 2?"}]
ASKED = "### system\nBe brief.\n\n### user\n2 + 2?"


def load(folder: Path, name: str, content: Any, columns: dict[str, str] | None = None) -> tuple[Task, ...]:
    file = folder / name
    file.write_text(content if isinstance(content, str) else "".join(json.dumps(row) + "\n" for row in content))
    return load_tasks(file, columns=columns)


def test_a_file_keeps_its_own_names_and_what_it_has_besides_is_left_out(tmp_path: Path) -> None:
    columns = {"question": "prompt", "gold": "solution", "id": "uid"}
    expected = Task(question="2 + 2?", gold="4", family="sums", name="a")
    row = {"prompt": "2 + 2?", "solution": 4, "uid": "a", "family": "sums", "question": "other", "level": 3, "id": "b"}
    assert load(tmp_path, "a.jsonl", [row], columns) == (expected,)
    content = "prompt,solution,uid,family,question,level,id\n2 + 2?,4,a,sums,other,3,b\n"
    assert load(tmp_path, "a.csv", content, columns) == (expected,)


def test_a_name_of_ours_may_stand_for_another_field(tmp_path: Path) -> None:
    columns = {"question": "answer", "gold": "question"}
    found = load(tmp_path, "a.jsonl", [{"answer": "2 + 2?", "question": "4"}], columns)
    assert found == (Task(question="2 + 2?", gold="4"),)


@pytest.mark.parametrize("name", ["question", "messages", "prompt"])
def test_chat_messages_become_the_question(tmp_path: Path, name: str) -> None:
    columns = {"question": name} if name == "prompt" else None
    assert load(tmp_path, "a.jsonl", [{name: CHAT}], columns)[0].question == ASKED
    cell = json.dumps(CHAT).replace('"', '""')
    assert load(tmp_path, "a.csv", f'{name}\n"{cell}"\n', columns)[0].question == ASKED


def test_a_text_in_brackets_stays_a_text(tmp_path: Path) -> None:
    for text in ("[1] says what?", '[{"role": "user"}]', "[]"):
        cell = text.replace('"', '""')
        assert load(tmp_path, "a.csv", f'question\n"{cell}"\n')[0].question == text
        assert load(tmp_path, "a.jsonl", [{"question": text}])[0].question == text


@pytest.mark.parametrize(
    ("name", "content", "columns", "line", "field", "words"),
    [
        ("a.jsonl", [{"messages": [{"role": "me", "content": "a"}]}], None, 1, "messages", "has the role 'me'"),
        ("a.jsonl", [{"messages": []}], None, 1, "messages", "there are no messages"),
        ("a.jsonl", [{"messages": [{"role": "user", "content": " "}]}], None, 1, "messages", "is empty"),
        ("a.jsonl", [{"messages": CHAT, "question": "a"}], None, 1, "question", "given twice, as 'messages' and as"),
        ("a.csv", "messages\nhello\n", None, 2, "messages", "must be a JSON list of messages"),
        ("a.jsonl", [{"prompt": "a"}, {"text": "b"}], {"question": "prompt"}, 2, "prompt", "this field is missing"),
        (
            "a.jsonl",
            [{"question": "a"}],
            {"gold": "truth"},
            0,
            "truth",
            "no line has this field",
        ),
        ("a.csv", "question,gold\na,b\n", {"gold": "truth"}, 1, "truth", "the file has question, gold"),
        ("a.csv", "text,gold\na,b\n", None, 1, "text", "--column OURS=THEIRS"),
        ("a.csv", "gold\nb\n", None, 1, "question", "or say --column question=NAME; the file has gold"),
        ("a.csv", "prompt,level\na,high\n", {"question": "prompt", "difficulty": "level"}, 2, "level", "whole number"),
    ],
)
def test_a_fault_names_the_place_in_the_words_of_the_file(
    tmp_path: Path, name: str, content: Any, columns: dict[str, str] | None, line: int, field: str, words: str
) -> None:
    with pytest.raises(DevSetError) as caught:
        load(tmp_path, name, content, columns)
    assert (caught.value.line, caught.value.field) == (line, field)
    assert words in caught.value.reason


def test_names_that_cannot_be() -> None:
    with pytest.raises(UnknownName, match="unknown field of a task 'questoin'; did you mean 'question'"):
        Naming({"questoin": "a"})
    for columns in ({"question": "a", "gold": "a"}, {"gold": "a", "answer": "b"}):
        with pytest.raises(UsageError, match="a column is one field, and a field has one column"):
            Naming(columns)


def test_a_cluster_may_be_a_number_and_is_no_part_of_the_identity(tmp_path: Path) -> None:
    rows = [{"question": "2 + 2?", "cluster_id": 7}, {"question": "2 + 3?", "cluster": "seven"}]
    tasks = load(tmp_path, "a.jsonl", rows)
    assert [task.cluster for task in tasks] == ["7", "seven"]
    assert tasks[0].task_id == Task(question="2 + 2?").task_id
