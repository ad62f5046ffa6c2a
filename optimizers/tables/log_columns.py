"""The columns of a Parquet, CSV or JSONL file, under the names that outcomes have."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import FileError, UnknownName, UsageError
from ...records.csv_rows import csv_rows
from ...records.files import json_lines
from ...records.parquet import check_once, parquet_table
from ..arrays import Floats

__all__ = ["read_columns"]

_LONGEST = 16 * 1024 * 1024
"""The most characters of a cell of a CSV file."""


def read_columns(
    path: Path,
    known: Mapping[str, str],
    required: Sequence[str],
    numbers: Sequence[str],
    renamed: Mapping[str, str],
    stand_ins: Mapping[str, str],
) -> tuple[dict[str, Floats | list[str | None]], tuple[str, ...]]:
    """Reads those columns of a file that have a known name.

    Args:
        path: ends in `.parquet`, `.csv`, `.jsonl` or `.ndjson`.
        known: what the columns hold, by their names.
        required: those that must be there.
        numbers: those that hold numbers.
        renamed: what the file calls them, where that is something else.
        stand_ins: by a column that may be missing, one of the known names whose column in the file serves for it where
            it was not needed itself.

    Returns:
        Values by known name: texts, None where there is none; numbers of a Parquet file as an array, NaN where empty,
        while those of CSV and JSONL are texts still, which are read later, so that an error names the row. And the
        names of the columns that were not read.

    Raises:
        UsageError: the file cannot be read, or lacks a column.
        UnknownName: `renamed` holds a name that is not known, or one that the file does not have.
    """
    readers = {".parquet": _parquet, ".csv": _csv, ".jsonl": _jsonl, ".ndjson": _jsonl}
    read = readers.get(path.suffix.lower())
    if read is None:
        raise UsageError(f"{path}: the name of a file of outcomes must end in .parquet, .csv or .jsonl")
    for name in renamed:
        if name not in known:
            raise UnknownName("column of outcomes", name, known)
    if not path.is_file():
        raise UsageError(f"no file {str(path)!r}")
    found = read(path)
    for theirs in renamed.values():
        if theirs not in found:
            raise UnknownName(f"column in {path}", theirs, found)
    # A column that was named for something is no longer what its own name says.
    columns = {name: column for name, column in found.items() if name in known and name not in renamed.values()}
    columns |= {name: found[theirs] for name, theirs in renamed.items()}
    # Free to stand in: the file has it, and what usually goes by its name was found elsewhere.
    free = {name: theirs for name, theirs in stand_ins.items() if theirs in renamed and theirs not in renamed.values()}
    columns = {name: found[theirs] for name, theirs in free.items() if theirs in found} | columns
    for name in required:
        if name not in columns:
            raise UsageError(
                f"{path}: there is no column {name!r} ({known[name]}); say what it is called: --column {name}=NAME, "
                f"or columns={{{name!r}: NAME}}. The file has {', '.join(found) or 'no rows'}"
            )
    for name, column in columns.items():
        if not isinstance(column, list):
            columns[name] = _from_arrow(column, f"{path}, column {name!r}", number=name in numbers)
    read_from = {*known, *renamed.values()}
    return columns, tuple(name for name in found if name not in read_from)


def _parquet(path: Path) -> dict[str, Any]:
    table = parquet_table(path, instead="write the log as CSV or JSONL")
    return {name: table.column(name).combine_chunks() for name in table.column_names}


def _csv(path: Path) -> dict[str, Any]:
    rows = csv_rows(path, longest=_LONGEST)
    line, names = next(rows, (1, []))
    if not names:
        raise FileError(str(path), line, "", "there is no header, such as question,arm,score,cost")
    check_once(names, path)
    cells = [row for _, row in rows]
    return {name: [row[place] or None for row in cells] for place, name in enumerate(names)}


def _jsonl(path: Path) -> dict[str, Any]:
    rows: list[Mapping[str, Any]] = []
    for line, row in json_lines(path, finite=False):
        if not isinstance(row, dict):
            raise FileError(str(path), line, "", 'a row is an object, {"question": ..., "arm": ...}')
        rows.append(row)
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [_text(row.get(name)) for row in rows] for name in names}


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _from_arrow(found: Any, where: str, *, number: bool) -> Floats | list[str | None]:
    """A column of a Parquet file: an array where it is to be numbers and can be, else texts."""
    import pyarrow as pa

    if pa.types.is_dictionary(found.type):
        found = found.cast(found.type.value_type)
    try:
        if number and not (pa.types.is_string(found.type) or pa.types.is_large_string(found.type)):
            return np.asarray(found.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)
        return [text or None for text in found.cast(pa.large_string()).to_pylist()]
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        wanted = "number" if number else "text"
        raise UsageError(f"{where}: {found.type} is no {wanted}; write it as a {wanted}") from None
