"""Damage of single rows, which SQLite does not notice: it keeps any value in any column."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import is_dataclass
from functools import lru_cache
from pathlib import Path
from shlex import quote
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from ..errors import StoreError
from .keeping import fields_of

__all__ = ["row_damage", "whole"]

Row = TypeVar("Row")

_CUT = re.compile(r"(?:\n\[cut|\A\[not kept): \d+ bytes, sha256 [0-9a-f]+\]\Z")
_PLAIN = re.compile(r"[\w.-]+")
"""Keys that may stand in a command that people paste."""


@contextmanager
def row_damage(path: Path, table: str, key: str, value: object, *, remedy: str = "") -> Iterator[None]:
    """Turns what reading a damaged row raises into one line that names the row and the remedy.

    Args:
        path: the database.
        table: where the row is.
        key: the name of the column that tells rows apart.
        value: what is in it.
        remedy: what follows when the row is taken out.
    """
    try:
        yield
    except (ArithmeticError, AttributeError, KeyError, RecursionError, TypeError, ValueError, zlib.error) as problem:
        said = f"{path}: the row of table {table!r} with {key} {value!r} is damaged ({problem}); restore a copy"
        if isinstance(value, str) and _PLAIN.fullmatch(value):
            said += (
                f""", or take the row out: sqlite3 {quote(path.name)} "DELETE FROM {table} WHERE {key} = '{value}'\""""
            )
        raise StoreError(said + (f"; {remedy}" if remedy else "")) from problem


def whole(row: Row) -> Row:
    """The row, if its fields are of their types and its JSON is JSON.

    Raises:
        ValueError: it is not; the message names the field.
    """
    kind: type = type(row)
    for name, kinds in _kinds(kind):
        value = getattr(row, name)
        if not isinstance(value, kinds):
            raise ValueError(f"{name} is {str(value)[:40]!r}")
        if is_dataclass(value):
            whole(value)
    fields = fields_of(kind)
    for name in (*fields.whole, *fields.json):
        text: str = getattr(row, name)
        # Older versions cut long JSON as they cut text, and said so at its end; of some only the hash is kept.
        if text and not (name in fields.json and _CUT.search(text)) and not isinstance(json.loads(text), dict | list):
            raise ValueError(f"{name} is no JSON of an object or a list")
    return row


@lru_cache
def _kinds(row: type) -> tuple[tuple[str, tuple[type, ...]], ...]:
    """The fields of a row with the types that their values may have."""
    return tuple((name, tuple(_types(hint))) for name, hint in get_type_hints(row).items())


def _types(hint: Any) -> Iterator[type]:
    if get_origin(hint) is Literal:
        yield from {type(value) for value in get_args(hint)}
    elif isinstance(hint, UnionType):
        for option in get_args(hint):
            yield from _types(option)
    elif hint is float:
        yield from (float, int)
    else:
        yield hint
