"""Dev sets in Parquet; pyarrow reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import DevSetError
from ..records.parquet import parquet_table
from .devset_csv import check_columns
from .devset_fields import Naming, cell_value

__all__ = ["parquet_records"]

_INSTEAD = "write the tasks as JSONL or CSV"
_ROWS = 1024
"""Of which Python values are made at a time."""


def parquet_records(file: Path, naming: Naming) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The rows of a file, counted from 1; columns that are no field are not read, and nulls are left out.

    A column of text is read as a cell of CSV is; lists and structs are read as in JSONL.

    Raises:
        UsageError: pyarrow is not installed.
        DevSetError: it is no Parquet file, its columns are not those of tasks, or a value cannot be read.
    """
    path = str(file)
    table = parquet_table(file, instead=_INSTEAD, error=DevSetError)
    check_columns(path, 0, table.column_names, naming)
    fields = {name: field for name in table.column_names if (field := naming.field(name)) is not None}
    row = 0
    for batch in table.select(list(fields)).to_batches(max_chunksize=_ROWS):
        for record in batch.to_pylist():
            row += 1
            yield row, {name: _value(path, row, name, fields[name], value) for name, value in record.items()}


def _value(path: str, row: int, name: str, field: str, value: Any) -> Any:
    return cell_value(path, row, name, field, value) if isinstance(value, str) and value else value
