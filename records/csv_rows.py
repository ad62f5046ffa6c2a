"""The rows of a CSV file, alike at every door."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from ..errors import FileError
from .files import read_text

__all__ = ["csv_rows"]


def csv_rows(
    path: Path, *, longest: int = 131_072, error: type[FileError] = FileError
) -> Iterator[tuple[int, list[str]]]:
    """The header and the rows of a file, each with the line on which it begins; rows without text are skipped.

    Args:
        path: the file.
        longest: the most characters of a cell.
        error: what to raise.

    Raises:
        FileError: the file cannot be read or is not UTF-8, its quoting is broken, or a row is not as wide as the
            header.
    """
    # newline="" keeps line ends inside quoted cells as they are.
    reader = csv.reader(io.StringIO(read_text(path, error=error), newline=""), strict=True)
    width = 0
    while True:
        line = reader.line_num + 1
        before = csv.field_size_limit(longest)  # one for the whole process, so it is given back at once
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as problem:
            raise error(str(path), line, "", f"broken CSV: {problem}; {_remedy(str(problem))}") from None
        finally:
            csv.field_size_limit(before)
        if not any(cell.strip() for cell in cells):
            continue
        width = width or len(cells)
        if len(cells) != width:
            reason = f"{len(cells)} cells, but the header has {width}; put text with commas in double quotes"
            raise error(str(path), line, "", reason)
        yield line, cells


def _remedy(problem: str) -> str:
    if "field limit" in problem:
        return "so long a text belongs in a .jsonl file"
    if "unexpected end" in problem:
        return "a double quote that opens here is never closed"
    return 'write a double quote inside a quoted cell twice, as in "say ""yes"""'
