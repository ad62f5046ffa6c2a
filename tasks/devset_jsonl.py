"""Dev sets with one JSON object a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import DevSetError
from ..records.files import json_lines
from ..records.written_float import WrittenFloat

__all__ = ["jsonl_records"]


def jsonl_records(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The objects of a file with the numbers of their lines; empty lines are skipped.

    Raises:
        DevSetError: a line is not one JSON object in UTF-8.
    """
    for line, record in json_lines(path, floats=WrittenFloat, error=DevSetError):
        if not isinstance(record, dict):
            raise DevSetError(str(path), line, "", 'each line must be one JSON object, such as {"question": "..."}')
        yield line, record
