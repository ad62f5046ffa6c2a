"""Dev sets in CSV, with a header line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import DevSetError
from ..records.csv_rows import csv_rows
from ..records.files import JsonFault, parse_json
from .devset_fields import fault_in

__all__ = ["csv_records"]


def csv_records(file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The records of a file with the lines on which they begin; empty records are skipped, empty cells left out.

    Raises:
        DevSetError: the file is not UTF-8, its header or quoting is broken, or a cell cannot be read.
    """
    path = str(file)
    header: Sequence[str] = ()
    for line, cells in csv_rows(file, error=DevSetError):
        if not header:
            header = _header(path, line, cells)
        else:
            filled = zip(header, cells, strict=True)
            yield line, {name: _cell(path, line, name, cell) for name, cell in filled if cell}


def _header(path: str, line: int, cells: Sequence[str]) -> tuple[str, ...]:
    header = tuple(cell.strip() for cell in cells)
    if len(header) == 1 and any(separator in header[0] for separator in ";\t|"):
        raise DevSetError(path, line, "", "the columns must be separated by commas")
    for index, name in enumerate(header):
        if not name:
            raise DevSetError(path, line, "", f"column {index + 1} has no name")
    fault = fault_in(header)
    if fault is not None:
        raise DevSetError(path, line, *fault)
    if "question" not in header:
        reason = f"the header must name a column 'question'; it has {', '.join(header[:8])}"
        raise DevSetError(path, line, "question", reason)
    return header


def _cell(path: str, line: int, name: str, cell: str) -> Any:
    if name == "difficulty":
        try:
            return int(cell)
        except ValueError:
            raise DevSetError(path, line, name, f"must be a whole number, not {cell[:40]!r}") from None
    if name == "metadata":
        try:
            return parse_json(cell)
        except JsonFault as fault:
            raise DevSetError(path, line, name, f"must be a JSON object: {fault}") from None
    if name == "context" and cell.lstrip().startswith("["):
        try:
            return parse_json(cell)
        except JsonFault:
            # Plain text may begin with a bracket too, as in "[1] Cf. page 3".
            return cell
    return cell
