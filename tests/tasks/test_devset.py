from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apportion.errors import DevSetError, UsageError
from apportion.records.task import Task
from apportion.tasks.devset import FIELDS, load_tasks

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
filled = text.filter(lambda value: bool(value.strip()))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | text, lambda inner: st.lists(inner, max_size=2)
)
any_task = st.builds(
    Task,
    question=filled,
    gold=text,
    family=filled,
    context=st.lists(text, max_size=3).map(tuple),
    instructions=text,
    difficulty=st.none() | st.integers(-5, 1000),
    name=text,
    metadata=st.dictionaries(text, json_values, max_size=2),
)


def load(folder: Path, name: str, content: str | bytes) -> tuple[Task, ...]:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return load_tasks(file)


def complaint(folder: Path, name: str, content: str | bytes) -> DevSetError:
    with pytest.raises(DevSetError) as caught:
        load(folder, name, content)
    error = caught.value
    assert str(error).startswith(f"{folder / name}:{error.line}")
    assert "\n" not in str(error)
    return error


def test_all_fields_of_jsonl(tmp_path: Path) -> None:
    line: dict[str, Any] = {
        "question": "2 + 2?",
        "gold": "4",
        "family": "sums",
        "context": ["two", "and two"],
        "instructions": "Add.",
        "difficulty": 3,
        "name": "first",
        "metadata": {"metric": "numeric", "nested": [1, {"a": None}]},
    }
    (task,) = load(tmp_path, "a.jsonl", json.dumps(line))
    assert task == Task(**line)
    assert load(tmp_path, "a.ndjson", json.dumps(line)) == (task,)
    assert load(tmp_path, "A.JSONL", json.dumps(line)) == (task,)


def test_all_fields_of_csv(tmp_path: Path) -> None:
    content = (
        "question,answer,family,context,instructions,difficulty,id,metadata\r\n"
        '"2 + 2, or\r\nwhat?",4,sums,"[""two"", ""and two""]",Add.,3,first,"{""metric"": ""numeric""}"\r\n'
        "3 + 3?,,,[1] Cf. page 3,,,,\r\n"
    )
    first, second = load(tmp_path, "a.csv", content)
    assert first == Task(
        question="2 + 2, or\r\nwhat?",
        gold="4",
        family="sums",
        context=("two", "and two"),
        instructions="Add.",
        difficulty=3,
        name="first",
        metadata={"metric": "numeric"},
    )
    assert second == Task(question="3 + 3?", context=("[1] Cf. page 3",))


def test_other_names_numbers_for_text_and_null(tmp_path: Path) -> None:
    content = '{"question": "q", "answer": 42, "id": 7, "context": "one passage", "difficulty": null, "family": null}'
    (task,) = load(tmp_path, "a.jsonl", content)
    assert task == Task(question="q", gold="42", name="7", context=("one passage",))


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_marks_line_ends_and_empty_lines(tmp_path: Path, name: str) -> None:
    lines = ["question", "first?", "", "second?", ""]
    if name.endswith("jsonl"):
        lines = [json.dumps({"question": line}) if line else "" for line in lines[1:]]
    plain = load(tmp_path, name, "\n".join(lines))
    assert [task.question for task in plain] == ["first?", "second?"]
    assert load(tmp_path, name, b"\xef\xbb\xbf" + "\r\n".join(lines).encode()) == plain
    assert load(tmp_path, name, "\n\n" + "\n".join(lines)) == plain


def test_rows_of_empty_cells_are_empty_lines(tmp_path: Path) -> None:
    assert len(load(tmp_path, "a.csv", "question,gold\nq,a\n,\n")) == 1


def test_a_line_separator_inside_json_text_is_no_line_end(tmp_path: Path) -> None:
    (task,) = load(tmp_path, "a.jsonl", '{"question": "one\u2028two"}')
    assert task.question == "one\u2028two"


GOOD = '{"question": "q"}\n'


@pytest.mark.parametrize(
    ("content", "line", "field", "words"),
    [
        (GOOD + '{"question": "q2", "gold"}', 2, "", "not valid JSON: expecting ':' delimiter at column 26"),
        (GOOD + "\n\n[1]", 4, "", "each line must be one JSON object"),
        ("[\n" + GOOD + "]", 1, "", "Write one whole JSON value a line"),
        ('{\n"question": "q"\n}', 1, "", "Write one whole JSON value a line"),
        (GOOD + '{"gold": "4"}', 2, "question", "this field is missing"),
        (GOOD + '{"question": null}', 2, "question", "this field is missing"),
        ('{"question": " "}', 1, "question", "this field is empty"),
        ('{"question": 3}', 1, "question", "must be text, not a number"),
        ('{"question": "q", "goal": "4"}', 1, "goal", "did you mean 'gold'?"),
        ('{"question": "q", "Question": "4"}', 1, "Question", "did you mean 'question'?"),
        ('{"question": "q", "xyzzy": 1}', 1, "xyzzy", "the fields are question, gold"),
        ('{"question": "q", "gold": "4", "answer": "4"}', 1, "answer", "'gold' is given twice"),
        ('{"question": "q", "question": "r"}', 1, "", "key 'question' is there twice"),
        ('{"question": "q", "gold": ["4"]}', 1, "gold", "must be text, not a list"),
        ('{"question": "q", "gold": true}', 1, "gold", "must be text, not true or false"),
        ('{"question": "q", "family": ""}', 1, "family", "leave it out"),
        ('{"question": "q", "difficulty": "3"}', 1, "difficulty", "must be a whole number, not text"),
        ('{"question": "q", "difficulty": 1.5}', 1, "difficulty", "must be a whole number, not a number"),
        ('{"question": "q", "context": ["a", 1]}', 1, "context", "not a list that holds something else"),
        ('{"question": "q", "metadata": []}', 1, "metadata", "must be an object, not a list"),
        ('{"question": "q", "metadata": {"a": NaN}}', 1, "metadata.a", "must be finite, not nan"),
        ('{"question": "q", "metadata": {"a": 1e999}}', 1, "metadata.a", "must be finite, not 1e999"),
        ('{"question": "q", "metadata": {"a": "\\ud800"}}', 1, "metadata.a", "half of a surrogate pair"),
        ('{"question": "\\ud800"}', 1, "question", "half of a surrogate pair"),
        ('{"question": "q", "name": "x\\ud83d"}', 1, "name", r"half of a surrogate pair (\ud83d)"),
        ('{"question": "q", "context": ["a", "\\ude00"]}', 1, "context[1]", "half of a surrogate pair"),
        ('{"question": "q", "metadata": {"a": ' + "[" * 70 + "]" * 70 + "}}", 1, "metadata.a" + "[0]" * 62, "brackets"),
        ("[" * 100_000, 1, "", "too many brackets"),
        (json.dumps({"question": "q" * 200_001}), 1, "question", "at most 200000"),
        (GOOD + '{"question": "r"}\n' + GOOD, 3, "", "the same task is on line 1 already"),
        (b'{"question": "q"}\n{"question": "caf\xe9"}', 2, "", "byte 0xe9 at column 18 is not UTF-8"),
        ("question".encode("utf-16"), 1, "", "this is UTF-16; save the file as UTF-8"),
        ("", 1, "", "there are no tasks"),
        ("\n\n", 1, "", "there are no tasks"),
    ],
)
def test_a_bad_line_of_jsonl_names_line_field_and_remedy(
    tmp_path: Path, content: str | bytes, line: int, field: str, words: str
) -> None:
    error = complaint(tmp_path, "a.jsonl", content)
    assert (error.line, error.field) == (line, field)
    assert words in error.reason


@pytest.mark.parametrize(
    ("content", "line", "field", "words"),
    [
        ('question,gold\n"one\ntwo",1\nthree,1,2\n', 4, "", "3 cells, but the header has 2"),
        ('question,difficulty\n"one\n\ntwo",1\n\nthree,many\n', 6, "difficulty", "must be a whole number, not 'many'"),
        ("question,gold\nonly\n", 2, "", "1 cells, but the header has 2"),
        ("\ngold,family\n1,a\n", 2, "question", "the file has gold, family"),
        ("question,golden\nq,1\n", 1, "golden", "did you mean 'gold'?"),
        ("question;gold\nq;1\n", 1, "", "must be separated by commas"),
        ("question,gold,gold\nq,1,2\n", 1, "gold", "'gold' is given twice"),
        ("question,\nq,1\n", 1, "", "column 2 has no name"),
        ("question,gold\n,1\n", 2, "question", "this field is missing"),
        ("question,gold,answer\nq,1,2\n", 1, "answer", "'gold' is given twice, as 'gold' and as 'answer'"),
        ('question,gold\nq,1\n"open,1\nx,2\n', 3, "", "is never closed"),
        ('question,gold\n"a "quoted" word",1\n', 2, "", "write a double quote inside a quoted cell twice"),
        ("question\n" + "q" * 140_000 + "\n", 2, "", "belongs in a .jsonl file"),
        (
            'question,metadata\nq,"{""a"": 1"\n',
            2,
            "metadata",
            "must be a JSON object: not valid JSON: expecting ',' delimiter",
        ),
        ("question,metadata\nq,3\n", 2, "metadata", "must be an object, not a number"),
        ('question,context\nq,"[1, 2]"\n', 2, "context", "must be a list of texts"),
        ('question\n"a\nb"\nq\n"a\nb"\n', 5, "", "the same task is on line 2 already"),
        (b"question\nq\ncaf\xe9\n", 3, "", "byte 0xe9 at column 4 is not UTF-8"),
        ("", 1, "", "there are no tasks"),
        ("question,gold\n", 1, "", "there are no tasks"),
    ],
)
def test_a_bad_record_of_csv_names_the_line_where_it_begins(
    tmp_path: Path, content: str | bytes, line: int, field: str, words: str
) -> None:
    error = complaint(tmp_path, "a.csv", content)
    assert (error.line, error.field) == (line, field)
    assert words in error.reason


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        load_tasks(tmp_path / "none.jsonl")
    with pytest.raises(UsageError, match=r"must end in \.jsonl, \.csv or \.parquet"):
        load_tasks(tmp_path / "a.xlsx")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        load_tasks(tmp_path / "folder.csv")


def as_jsonl(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def as_csv(rows: list[dict[str, Any]]) -> str:
    written = io.StringIO(newline="")
    table = csv.DictWriter(written, FIELDS, quoting=csv.QUOTE_ALL)
    table.writeheader()
    for row in rows:
        table.writerow({name: v if isinstance(v, str) else json.dumps(v) for name, v in row.items()})
    return written.getvalue()


@pytest.mark.parametrize(("name", "write"), [("a.jsonl", as_jsonl), ("a.csv", as_csv)])
@settings(max_examples=60, deadline=None)
@given(tasks=st.lists(any_task, min_size=1, max_size=4, unique_by=lambda task: task.task_id))
def test_what_is_saved_is_loaded(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    write: Callable[[list[dict[str, Any]]], str],
    tasks: list[Task],
) -> None:
    file = tmp_path_factory.mktemp("devset") / name
    file.write_bytes(write([task.model_dump(exclude_defaults=True) for task in tasks]).encode())
    assert load_tasks(file) == tuple(tasks)


almost_json = st.from_regex(r'\{"(question|gold|context)": ?[\["a-z0-9, \]]{0,20}\}').map(str.encode)


@given(content=st.binary(max_size=60) | almost_json)
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_tasks_or_one_clear_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("devset")
    for name in ("a.jsonl", "a.csv"):
        (folder / name).write_bytes(content)
        line = 1
        try:
            assert load_tasks(folder / name)
        except DevSetError as caught:
            line = caught.line
        assert 1 <= line <= content.count(b"\n") + content.count(b"\r") + 1
