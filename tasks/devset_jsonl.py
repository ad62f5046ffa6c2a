"""Dev sets with one JSON object a line."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import DevSetError
from ..records.written_float import WrittenFloat

__all__ = ["jsonl_records", "read_json"]


def jsonl_records(path: str, content: bytes) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The objects of a file with the numbers of their lines; empty lines are skipped.

    Raises:
        DevSetError: a line is not one JSON object in UTF-8.
    """
    for line, encoded in enumerate(content.split(b"\n"), start=1):
        try:
            text = encoded.decode().strip()
        except UnicodeDecodeError as error:
            reason = (
                f"byte {encoded[error.start]:#04x} at column {error.start + 1} is not UTF-8; save the file as UTF-8"
            )
            raise DevSetError(path, line, "", reason) from None
        if not text:
            continue
        try:
            record = read_json(text)
        except ValueError as error:
            raise DevSetError(path, line, "", f"not valid JSON: {error}. Write one whole object a line") from None
        if not isinstance(record, dict):
            raise DevSetError(path, line, "", 'each line must be one JSON object, such as {"question": "..."}')
        yield line, record


def read_json(text: str) -> Any:
    """Reads JSON, without duplicate keys and without numbers that are not finite.

    Raises:
        ValueError: one line that says what is wrong.
    """
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_refuse, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg[0].lower()}{error.msg[1:]} at column {error.colno}") from None
    except RecursionError:
        raise ValueError("too many brackets inside each other") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"key {next(name for name in names if names.count(name) > 1)!r} is there twice")
    return record


def _refuse(text: str) -> float:
    raise ValueError(f"{text} is not a JSON number")


def _finite(text: str) -> float:
    number = WrittenFloat(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large a number")
    return number
