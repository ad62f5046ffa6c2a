"""Dev sets in CSV, with a header line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import DevSetError
from ..records.csv_rows import csv_rows
from .devset_fields import Naming, cell_value

__all__ = ["check_columns", "csv_records"]


def csv_records(file: Path, naming: Naming) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The records of a file with the lines on which they begin; empty records are skipped, empty cells left out.

    Raises:
        DevSetError: the file is not UTF-8, its header or quoting is broken, or a cell cannot be read.
    """
    path = str(file)
    header: Sequence[str] = ()
    for line, cells in csv_rows(file, error=DevSetError):
        if not header:
            header = _header(path, line, cells, naming)
        else:
            filled = ((name, naming.field(name), cell) for name, cell in zip(header, cells, strict=True) if cell)
            yield line, {n: cell_value(path, line, n, field, cell) for n, field, cell in filled if field is not None}


def check_columns(path: str, line: int, header: Sequence[str], naming: Naming) -> None:
    """Refuses a header that names something unknown, something twice, or no question.

    Raises:
        DevSetError: it does.
    """
    has = f"the file has {', '.join(header[:8])}"
    missing = naming.missing(header)
    if missing is not None:
        raise DevSetError(path, line, missing, f"there is no such column, and --column names it; {has}")
    fault = naming.fault_in(header)
    if fault is not None:
        raise DevSetError(path, line, *fault)
    if not any(naming.field(name) == "question" for name in header):
        reason = f"the header must name a column 'question', or say --column question=NAME; {has}"
        raise DevSetError(path, line, "question", reason)


def _header(path: str, line: int, cells: Sequence[str], naming: Naming) -> tuple[str, ...]:
    header = tuple(cell.strip() for cell in cells)
    if len(header) == 1 and any(separator in header[0] for separator in ";\t|"):
        raise DevSetError(path, line, "", "the columns must be separated by commas")
    for index, name in enumerate(header):
        if not name:
            raise DevSetError(path, line, "", f"column {index + 1} has no name")
    check_columns(path, line, header, naming)
    return header
