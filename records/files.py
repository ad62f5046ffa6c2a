"""The user's files, read and written alike at every door: text and JSON values, or one error that names the place."""

from __future__ import annotations

import errno
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import FileError
from .text import lone_surrogate

__all__ = ["DEPTH", "JsonFault", "check_mark", "json_lines", "parse_json", "read_json", "read_text", "write_text"]

DEPTH = 64
"""The most lists and objects inside each other. Nothing of ours comes near it, and readers and writers of JSON give up
at various depths beyond it."""
_MARK = b"\xef\xbb\xbf"
_DATABASE = b"SQLite format 3\x00"
_OTHER_MARKS = (b"\xff\xfe", b"\xfe\xff")
_SUSPECT = re.compile(r"\\u[dD][89a-fA-F]|NaN|Infinity|[eE]\+?\d{3}|\d{300}|[\ud800-\udfff]")
"""What JSON text holds where a value may be at fault; anything else need not be looked through value by value."""


class JsonFault(ValueError):
    """Text is not JSON as this package takes it.

    Args:
        line: of the text, counted from 1; 0 where that is not known.
        field: at fault, such as `arms[2].name`; empty where the whole text is.
        reason: what is wrong and how to mend it.
    """

    def __init__(self, line: int, field: str, reason: str) -> None:
        self.line = line
        self.field = field
        self.reason = reason
        super().__init__(f"field {field!r}: {reason}" if field else reason)


def read_text(path: Path, *, error: type[FileError] = FileError) -> str:
    """The text of a file in UTF-8, without the mark that some editors put before it.

    Args:
        path: the file.
        error: what to raise.

    Raises:
        FileError: it cannot be read or is not UTF-8.
    """
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as problem:
        raise _unreadable(path, problem, error) from None
    return _decoded(content, path, 1, error)


def write_text(path: Path, text: str) -> None:
    """Writes text in UTF-8, in place of what the file held, but never of a database, which may be dear.

    Raises:
        OSError: it cannot be written.
    """
    if path.is_file():
        with path.open("rb") as file:
            if file.read(len(_DATABASE)) == _DATABASE:
                raise FileExistsError(errno.EEXIST, "it is a SQLite database; name another file", str(path))
    path.write_text(text, encoding="utf-8")


def check_mark(path: Path, *, error: type[FileError] = FileError) -> None:
    """Looks at the first bytes of a file that another library will read as UTF-8.

    Raises:
        FileError: it cannot be read, or is marked as another encoding.
    """
    try:
        with path.open("rb") as file:
            _without_mark(file.read(len(_MARK)), path, error)
    except (OSError, ValueError) as problem:
        raise _unreadable(path, problem, error) from None


def read_json(path: Path, *, error: type[FileError] = FileError) -> Any:
    """The value of a JSON file; see `parse_json`.

    Raises:
        FileError: it cannot be read.
    """
    try:
        return parse_json(read_text(path, error=error))
    except JsonFault as fault:
        raise error(str(path), fault.line, fault.field, fault.reason) from None


def json_lines(
    path: Path, *, finite: bool = True, floats: type[float] = float, error: type[FileError] = FileError
) -> Iterator[tuple[int, Any]]:
    """The values of a file with one JSON value a line, each with its line; blank lines are skipped.

    Args:
        path: the file.
        finite: see `parse_json`.
        floats: see `parse_json`.
        error: what to raise.

    Raises:
        FileError: it cannot be read; the error names the line.
    """
    try:
        # In bytes, because text has more line ends than JSON has: U+2028 may stand within a line.
        with path.open("rb") as lines:
            for line, content in enumerate(lines, start=1):
                text = _decoded(content, path, line, error).strip()
                if text:
                    try:
                        yield line, parse_json(text, finite=finite, floats=floats)
                    except JsonFault as fault:
                        hint = "" if fault.field else ". Write one whole JSON value a line"
                        raise error(str(path), line, fault.field, fault.reason + hint) from None
    except (OSError, ValueError) as problem:
        raise _unreadable(path, problem, error) from None


def parse_json(text: str, *, finite: bool = True, floats: type[float] = float) -> Any:
    """Reads JSON without what JSON or UTF-8 cannot hold: NaN, infinities, half surrogate pairs, keys given twice.

    Args:
        text: the JSON; a byte order mark before it is passed over.
        finite: False takes NaN and infinities, for a reader that says itself what is wrong with them.
        floats: what numbers with a point become; see `WrittenFloat`.

    Raises:
        JsonFault: it is not such JSON, or nested deeper than `DEPTH`.
    """
    try:
        value = json.loads(text.removeprefix("\ufeff"), object_pairs_hook=_once, parse_float=floats)
    except json.JSONDecodeError as problem:
        reason = f"not valid JSON: {problem.msg[0].lower()}{problem.msg[1:]} at column {problem.colno}"
        raise JsonFault(problem.lineno, "", reason) from None
    except RecursionError:
        raise JsonFault(0, "", _TOO_DEEP) from None
    except JsonFault:
        raise
    except ValueError:  # Python's limit on the digits of a whole number
        raise JsonFault(0, "", "a number has too many digits") from None
    if _SUSPECT.search(text) or text.count("[") + text.count("{") > DEPTH:
        fault = _fault(value, 0, finite)
        if fault is not None:
            raise JsonFault(0, *fault)
    return value


_TOO_DEEP = f"there are too many brackets inside each other; {DEPTH} are read"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for name, value in pairs:
        if name in record:
            raise JsonFault(0, "", f"key {name!r} is there twice in one object; keep one")
        record[name] = value
    return record


def _fault(value: Any, depth: int, finite: bool) -> tuple[str, str] | None:
    """The first place in a value that is at fault, and what to do about it."""
    if isinstance(value, str):
        half = lone_surrogate(value)
        return ("", f"half of a surrogate pair ({half}) is no character; remove it") if half else None
    if isinstance(value, float):
        return ("", f"a number must be finite, not {value}") if finite and not math.isfinite(value) else None
    if not isinstance(value, dict | list):
        return None
    if depth == DEPTH:
        return "", _TOO_DEEP
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for name, each in inner:
        found = (_fault(name, depth, finite) if isinstance(name, str) else None) or _fault(each, depth + 1, finite)
        if found is not None:
            return _joined(name, found[0]), found[1]
    return None


def _joined(name: str | int, rest: str) -> str:
    """The path of a field whose first step is `name`."""
    first = f"[{name}]" if isinstance(name, int) else name
    return f"{first}.{rest}" if rest and not rest.startswith("[") else first + rest


def _decoded(content: bytes, path: Path, line: int, error: type[FileError]) -> str:
    """Text of a file from `line` on."""
    if line == 1:
        content = _without_mark(content, path, error)
    try:
        return content.decode()
    except UnicodeDecodeError as problem:
        before = content[: problem.start]
        place = line + before.count(b"\n")
        column = problem.start - before.rfind(b"\n")
        reason = f"byte {content[problem.start]:#04x} at column {column} is not UTF-8; save the file as UTF-8"
        raise error(str(path), place, "", reason) from None


def _without_mark(content: bytes, path: Path, error: type[FileError]) -> bytes:
    if content.startswith(_OTHER_MARKS):
        raise error(str(path), 1, "", "this is UTF-16; save the file as UTF-8")
    return content.removeprefix(_MARK)


def _unreadable(path: Path, problem: OSError | ValueError, error: type[FileError]) -> FileError:
    said = problem.strerror if isinstance(problem, OSError) else None
    return error(str(path), 0, "", f"cannot be read: {said or problem}")
