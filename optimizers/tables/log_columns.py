"""The columns of a Parquet, CSV or JSONL file, under the names that outcomes have."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import UnknownName, UsageError

__all__ = ["read_columns"]


def read_columns(
    path: Path, known: Mapping[str, str], required: Sequence[str], renamed: Mapping[str, str]
) -> dict[str, Any]:
    """Reads those columns of a file that have a known name.

    Args:
        path: ends in `.parquet`, `.csv`, `.jsonl` or `.ndjson`.
        known: what the columns hold, by their names.
        required: those that must be there.
        renamed: what the file calls them, where that is something else.

    Returns:
        Arrow arrays by known name. CSV and JSONL values come as text, which is read later, row by row where need be.

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
    try:
        found = read(path)
    except OSError as error:
        raise UsageError(f"{path}: the outcomes cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: this is not UTF-8; save the file as UTF-8") from None
    for theirs in renamed.values():
        if theirs not in found:
            raise UnknownName(f"column in {path}", theirs, found)
    # A column that was named for something is no longer what its own name says.
    columns = {name: column for name, column in found.items() if name in known and name not in renamed.values()}
    columns |= {name: found[theirs] for name, theirs in renamed.items()}
    for name in required:
        if name not in columns:
            raise UsageError(
                f"{path}: there is no column {name!r} ({known[name]}); say what it is called: --column {name}=NAME, "
                f"or columns={{{name!r}: NAME}}. The file has {', '.join(found) or 'no columns'}"
            )
    return columns


def _parquet(path: Path) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except pa.ArrowInvalid as error:
        raise UsageError(f"{path}: this is no Parquet file: {error}") from None
    return {name: table.column(name).combine_chunks() for name in table.column_names}


def _csv(path: Path) -> dict[str, Any]:
    import pyarrow as pa
    from pyarrow import csv

    parsing = csv.ParseOptions(newlines_in_values=True)
    try:
        # Everything as text: a question that looks like a date is not one.
        with csv.open_csv(path, parse_options=parsing) as opened:
            names = opened.schema.names
        table = csv.read_csv(
            path,
            read_options=csv.ReadOptions(use_threads=False),
            parse_options=parsing,
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.large_string()), null_values=[""], strings_can_be_null=True
            ),
        )
    except pa.ArrowInvalid as error:
        raise UsageError(f"{path}: {error}") from None
    return {name: table.column(name).combine_chunks() for name in table.column_names}


def _jsonl(path: Path) -> dict[str, Any]:
    import pyarrow as pa

    rows: list[Mapping[str, Any]] = []
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise UsageError(f"{path}, line {number}: this is no JSON: {error}") from None
            if not isinstance(row, dict):
                raise UsageError(f'{path}, line {number}: a row is an object, {{"question": ..., "arm": ...}}')
            rows.append(row)
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: pa.array([_text(row.get(name)) for row in rows], pa.large_string()) for name in names}


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
