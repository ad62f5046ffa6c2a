from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from apportion.errors import DevSetError, UsageError
from apportion.records.task import Task
from apportion.tasks.devset import load_tasks


def written(folder: Path, columns: dict[str, Any]) -> Path:
    path = folder / "dev.parquet"
    pa.parquet.write_table(pa.table(columns), path)
    return path


def test_all_fields(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        {
            "question": ["2 + 2?", "3 + 3?"],
            "answer": [4, None],
            "context": [["two", "and two"], None],
            "difficulty": [3, None],
            "metadata": [{"metric": "numeric"}, None],
            "family": ["sums", None],
        },
    )
    assert load_tasks(path) == (
        Task(
            question="2 + 2?",
            gold="4",
            context=("two", "and two"),
            difficulty=3,
            metadata={"metric": "numeric"},
            family="sums",
        ),
        Task(question="3 + 3?"),
    )


def test_texts_are_read_as_cells_and_other_columns_are_not_read(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        {"prompt": ["a"], "meta": ['{"metric": "exact"}'], "context": ['["b", "c"]'], "blob": [b"\xff" * 10]},
    )
    (task,) = load_tasks(path, columns={"question": "prompt", "metadata": "meta"})
    assert task == Task(question="a", metadata={"metric": "exact"}, context=("b", "c"))


def test_messages_are_a_question(tmp_path: Path) -> None:
    chat = [{"role": "system", "content": "Be brief.", "name": None}, {"role": "user", "content": "a", "name": None}]
    (task,) = load_tasks(written(tmp_path, {"messages": [chat]}))
    assert task.question == "### system\nBe brief.\n\n### user\na"


def test_more_rows_than_are_read_at_a_time(tmp_path: Path) -> None:
    path = written(tmp_path, {"question": [f"q{number}" for number in range(2500)]})
    assert [task.question for task in load_tasks(path)] == [f"q{number}" for number in range(2500)]


@pytest.mark.parametrize(
    ("columns", "line", "field", "words"),
    [
        ({"question": ["a", None]}, 2, "question", "this field is missing"),
        ({"question": ["a", "b"], "gold": [1.5, float("nan")]}, 2, "gold", "must be text, not nan"),
        ({"question": ["a"], "gold": [b"x"]}, 1, "gold", "must be text, not b'x'"),
        ({"question": ["a"], "difficulty": ["high"]}, 1, "difficulty", "must be a whole number, not 'high'"),
        ({"question": ["a"], "level": [1]}, 0, "level", "there is no such field"),
        ({"gold": ["a"]}, 0, "question", "the file has gold"),
        ({"question": pa.array([], pa.string())}, 1, "", "there are no tasks"),
        ({"question": ["a", "a"]}, 2, "", "the same task is on line 1 already"),
        ({"messages": [[{"role": "x", "content": "a"}]]}, 1, "messages", "has the role 'x'"),
    ],
)
def test_a_fault_names_row_and_column(
    tmp_path: Path, columns: dict[str, Any], line: int, field: str, words: str
) -> None:
    path = written(tmp_path, columns)
    with pytest.raises(DevSetError) as caught:
        load_tasks(path)
    assert (caught.value.line, caught.value.field) == (line, field)
    assert words in caught.value.reason
    assert str(path) in str(caught.value)


def test_a_column_that_is_named_and_not_there(tmp_path: Path) -> None:
    with pytest.raises(DevSetError, match=r"'prompt': there is no such column.*; the file has a, b"):
        load_tasks(written(tmp_path, {"a": ["x"], "b": ["y"]}), columns={"question": "prompt"})


def test_what_is_no_parquet(tmp_path: Path) -> None:
    path = tmp_path / "dev.parquet"
    path.write_text("question\na\n")
    with pytest.raises(DevSetError, match="this is no Parquet file"):
        load_tasks(path)


def test_without_pyarrow_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, {"question": ["a"]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"pip install 'apportion\[parquet\]'; or write the tasks as JSONL or CSV"):
        load_tasks(path)
