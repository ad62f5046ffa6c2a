"""The columns of a Parquet, CSV or JSONL file, under the names that outcomes have."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...errors import FileError, UnknownName, UsageError
from ...records.files import check_mark, json_lines

__all__ = ["read_columns"]

_BLOCK = 16 * 1024 * 1024
"""Bytes of a CSV file that are parsed at once; no row may be longer."""


def read_columns(
    path: Path,
    known: Mapping[str, str],
    required: Sequence[str],
    renamed: Mapping[str, str],
    stand_ins: Mapping[str, str],
) -> dict[str, Any]:
    """Reads those columns of a file that have a known name.

    Args:
        path: ends in `.parquet`, `.csv`, `.jsonl` or `.ndjson`.
        known: what the columns hold, by their names.
        required: those that must be there.
        renamed: what the file calls them, where that is something else.
        stand_ins: by a column that may be missing, one of the known names whose column in the file serves for it where
            it was not needed itself.

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
    found = read(path)
    for theirs in renamed.values():
        if theirs not in found:
            raise UnknownName(f"column in {path}", theirs, found)
    # A column that was named for something is no longer what its own name says.
    columns = {name: column for name, column in found.items() if name in known and name not in renamed.values()}
    columns |= {name: found[theirs] for name, theirs in renamed.items()}
    for name, theirs in stand_ins.items():
        # Free to stand in: the file has it, and what usually goes by its name was found elsewhere.
        if name not in columns and theirs in found and theirs in renamed and theirs not in renamed.values():
            columns[name] = found[theirs]
    for name in required:
        if name not in columns:
            raise UsageError(
                f"{path}: there is no column {name!r} ({known[name]}); say what it is called: --column {name}=NAME, "
                f"or columns={{{name!r}: NAME}}. The file has {', '.join(found) or 'no columns'}"
            )
    return columns


def _parquet(path: Path) -> dict[str, Any]:
    import pyarrow.parquet as pq

    with _damage(path, "this is no Parquet file"), pq.ParquetFile(path) as opened:
        _once(opened.schema_arrow.names, path)
        table = opened.read()
        table.validate(full=True)  # else text that is no UTF-8 is found out much later
    return {name: table.column(name).combine_chunks() for name in table.column_names}


def _csv(path: Path) -> dict[str, Any]:
    import pyarrow as pa
    from pyarrow import csv

    check_mark(path)
    parsing, reading = csv.ParseOptions(newlines_in_values=True), csv.ReadOptions(use_threads=False, block_size=_BLOCK)
    with _damage(path, "this is no CSV file in UTF-8"):
        # Everything as text: a question that looks like a date is not one.
        with csv.open_csv(path, read_options=reading, parse_options=parsing) as opened:
            names = opened.schema.names
        _once(names, path)
        table = csv.read_csv(
            path,
            read_options=reading,
            parse_options=parsing,
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.large_string()), null_values=[""], strings_can_be_null=True
            ),
        )
    return {name: table.column(name).combine_chunks() for name in table.column_names}


@contextmanager
def _damage(path: Path, what: str) -> Iterator[None]:
    """Turns what Arrow raises into one line that names the file."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise FileError(str(path), 0, "", f"{what}: {' '.join(str(error).split())}") from None


def _once(names: Sequence[str], path: Path) -> None:
    for name in names:
        if names.count(name) > 1:
            raise FileError(str(path), 0, "", f"there are two columns {name!r}; take one out, or name it otherwise")


def _jsonl(path: Path) -> dict[str, Any]:
    import pyarrow as pa

    rows: list[Mapping[str, Any]] = []
    for line, row in json_lines(path, finite=False):
        if not isinstance(row, dict):
            raise FileError(str(path), line, "", 'a row is an object, {"question": ..., "arm": ...}')
        rows.append(row)
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: pa.array([_text(row.get(name)) for row in rows], pa.large_string()) for name in names}


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
