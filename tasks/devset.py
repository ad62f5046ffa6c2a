"""Reading dev sets: one task a line in JSONL, a record in CSV, or a row in Parquet."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from ..errors import DevSetError, UsageError
from ..imports import imported
from ..records.task import Task
from .chat_question import question_of
from .devset_csv import csv_records
from .devset_fields import FIELDS, Naming
from .devset_jsonl import jsonl_records
from .devset_parquet import parquet_records

__all__ = ["FIELDS", "load_tasks"]


@dataclass(frozen=True, slots=True)
class _Place:
    path: str
    line: int

    def error(self, field: str, reason: str) -> DevSetError:
        return DevSetError(self.path, self.line, field, reason)


def load_tasks(
    path: str | os.PathLike[str], *, columns: Mapping[str, str] | None = None, allow: Collection[str] = ()
) -> tuple[Task, ...]:
    """Reads all tasks of a `.jsonl`, `.csv` or `.parquet` file, in its order.

    Only `question` is required. `gold` may be called `answer`, `name` may be `id`, and `cluster` may be `cluster_id`.
    In CSV, `context` is a JSON list of passages or one passage as plain text, and `metadata` is a JSON object. Empty
    lines, a byte order mark and either kind of line end are accepted. Chat messages, a list of objects with `role` and
    `content`, may stand as `question` or as `messages`; `tasks.chat_question` says what text becomes of them, and reads
    it back.

    The file is data: a metric of the form `module:function` in a task's metadata is imported only where it is admitted.

    Args:
        path: the file.
        columns: what the file calls fields, where that is something else: by our name, theirs. What the file has
            besides is left out then; without any, an unknown field is an error.
        allow: modules that are admitted with all that is below them, for metrics.

    Raises:
        DevSetError: a line cannot be read, or names a module that is not admitted; file, line and field are named. An
            empty file and a task that is there twice are such errors too. Rows of Parquet are counted from 1.
        UsageError: there is no such file, its name ends otherwise, or it is Parquet and pyarrow is not installed.
        UnknownName: `columns` has a name that is no field.
    """
    file = Path(path)
    records = _READERS.get(file.suffix.lower())
    if records is None:
        raise UsageError(f"{file}: the name of a dev set must end in .jsonl, .csv or .parquet")
    naming = Naming(columns or {})
    tasks: list[Task] = []
    lines: dict[str, int] = {}
    names: set[str] = set()
    for line, record in records(file, naming):
        place = _Place(str(file), line)
        task = _task(place, record, naming)
        names.update(record)
        _check_metric(place, task, allow)
        identity = _identity(place, task)
        first = lines.setdefault(identity, line)
        if first != line:
            raise place.error("", f"the same task is on line {first} already; remove one of the two")
        tasks.append(task)
    if not tasks:
        raise DevSetError(str(file), 1, "", 'there are no tasks; the least is one line {"question": "..."}')
    missing = naming.missing(tuple(names)) if file.suffix.lower() in (".jsonl", ".ndjson") else None
    if missing is not None:
        raise DevSetError(str(file), 0, missing, "no line has this field, and --column names it")
    return tuple(tasks)


_Records = Callable[[Path, Naming], Iterator[tuple[int, Mapping[str, Any]]]]
_READERS: Mapping[str, _Records] = MappingProxyType(
    {
        ".jsonl": lambda file, naming: jsonl_records(file),
        ".ndjson": lambda file, naming: jsonl_records(file),
        ".csv": csv_records,
        ".parquet": parquet_records,
    }
)


def _task(place: _Place, record: Mapping[str, Any], naming: Naming) -> Task:
    fault = naming.fault_in(tuple(record))
    if fault is not None:
        raise place.error(*fault)
    fields: dict[str, Any] = {}
    for name, value in record.items():
        field = naming.field(name)
        if field is not None and value is not None:
            fields[field] = _value(place, name, field, value)
    if "question" not in fields:
        raise place.error(naming.theirs("question"), "this field is missing; every task needs a question")
    try:
        return Task(**fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise place.error(str(first["loc"][0]), f"{first['msg'][0].lower()}{first['msg'][1:]}") from None


def _value(place: _Place, name: str, field: str, value: Any) -> Any:
    """A field as the task wants it; numbers are taken for text where that loses nothing."""
    match field, value:
        case (("gold" | "name" | "cluster"), (int() | float())) if not isinstance(value, bool) and math.isfinite(value):
            return str(value)
        case "question", list():
            return _chat(place, name, value)
        case "question", str() if not value.strip():
            raise place.error(name, "this field is empty; every task needs a question")
        case "family", str() if not value.strip():
            raise place.error(name, "this field is empty; leave it out for the family 'default'")
        case (("question" | "gold" | "family" | "instructions" | "name" | "cluster"), str()):
            return value
        case "context", str():
            return (value,)
        case "context", list() if all(isinstance(passage, str) for passage in value):
            return tuple(value)
        case "difficulty", int() if not isinstance(value, bool):
            return value
        case "metadata", dict():
            return value
    wanted = {"context": "a list of texts", "difficulty": "a whole number", "metadata": "an object"}.get(field, "text")
    given = {str: "text", bool: "true or false", dict: "an object", list: "a list"}.get(type(value))
    if given is None:
        given = "a number" if isinstance(value, int | float) and math.isfinite(value) else f"{value!r:.40}"
    if field == "context" and isinstance(value, list):
        given = "a list that holds something else"
    raise place.error(name, f"must be {wanted}, not {given}")


def _chat(place: _Place, name: str, messages: list[Any]) -> str:
    try:
        question = question_of(messages)
    except ValueError as problem:
        raise place.error(name, str(problem)) from None
    if not question.strip():
        raise place.error(name, "its only message is empty; every task needs a question")
    return question


def _check_metric(place: _Place, task: Task, allow: Collection[str]) -> None:
    named = task.metadata.get("metric")
    if not isinstance(named, str) or ":" not in named:
        return
    try:
        imported(named, "metric", allow=allow)
    except UsageError as error:
        raise place.error("metadata", str(error)) from error


def _identity(place: _Place, task: Task) -> str:
    try:
        return task.task_id
    except UnicodeEncodeError:
        message = "half of a surrogate pair (an escape such as \\ud800) is no character; remove it"
        raise place.error("metadata", message) from None
