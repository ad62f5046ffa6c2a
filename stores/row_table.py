"""A row type as a table: its columns, the parameters of a row, and the way back, all from the fields of the type."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, Field, fields
from operator import attrgetter
from types import NoneType
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, get_args, get_origin, get_type_hints

from sqlalchemy import Column, Float, Integer, MetaData, Table, Text
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert

from ..records.rows import SMALLEST_UNITS, UNITS
from ..records.status import Status
from ..records.usage import Amount, Usage
from .texts import TextEncoder

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["RowTable", "amount_columns", "insert_statement"]

Row = TypeVar("Row", bound="DataclassInstance")
Values = tuple[Any, ...]
Columns = Mapping[str, Any]
Texts = Callable[[str | None], str]
"""From a hash to its text."""

_DIALECT = sqlite.dialect(paramstyle="qmark")
_TYPES: Mapping[Any, Any] = {str: Text, int: Integer, float: Float, bool: Integer, Status: Text}
_USAGE = attrgetter(*(field.name for field in fields(Usage)))
_NO_USAGE = (None,) * len(fields(Usage))


def amount_columns(*quantities: str) -> list[Column[int]]:
    """Three whole-number columns for each quantity, one a unit."""
    names = (f"{quantity}_{unit}" for quantity in quantities for unit in SMALLEST_UNITS)
    return [Column(name, Integer, nullable=False) for name in names]


class RowTable(Generic[Row]):
    """The table of a row type. Its columns are named after the fields; the first ones are the key.

    An `Amount` has a column for each unit, a `Usage` one for each of its fields.

    Args:
        metadata: where the table is declared.
        name: of the table.
        row: the type of its rows, a dataclass.
        keys: how many columns are the key.
        renamed: by field, the columns that it fills, where they are not named after it; an amount may fill several.
        texts: fields whose text lies in the table of texts, so that the column has its hash.
        said: those of them that models are told or say, which are kept as far as they are captured.
        keep: whether a row that is there stays as it is; it is replaced otherwise.
    """

    def __init__(
        self,
        metadata: MetaData,
        name: str,
        row: type[Row],
        *,
        keys: int = 1,
        renamed: Mapping[str, tuple[str, ...]] | None = None,
        texts: Collection[str] = (),
        said: Collection[str] = (),
        keep: bool = False,
    ) -> None:
        self._row = row
        self._texts = texts
        self._said = said
        self._paths: list[str] = []
        self._hashed: list[tuple[int, str, bool]] = []
        self._usage: int | None = None
        self._taken: dict[str, Callable[[Columns, Texts], Any]] = {}
        columns: list[Column[Any]] = []
        hints = get_type_hints(row)
        for field in fields(row):
            names = (renamed or {}).get(field.name, (field.name,))
            columns += self._declared(field, hints[field.name], names)
        key = [Column(column.name, column.type, primary_key=True) for column in columns[:keys]]
        self.table = Table(name, metadata, *key, *columns[keys:])
        self.insert = insert_statement(self.table, "keep" if keep else "replace")
        """The driver's SQL that stores the values of a row."""
        self._get = attrgetter(*self._paths)

    def values(self, row: Row, texts: TextEncoder) -> Values:
        """The parameters of `insert`; texts that lie elsewhere are handed to `texts`."""
        found = list(self._get(row))
        for place, usual, said in self._hashed:
            text = found[place]
            found[place] = None if text == usual else texts.said(text) if said else texts.hash(text)
        if self._usage is not None:
            usage = found[self._usage]
            found[self._usage : self._usage + 1] = _NO_USAGE if usage is None else _USAGE(usage)
        return tuple(found)

    def row(self, columns: Columns, texts: Texts) -> Row:
        """A row from its columns; `texts` finds what lies elsewhere."""
        return self._row(**{name: take(columns, texts) for name, take in self._taken.items()})

    def _declared(self, field: Field[Any], hint: Any, names: tuple[str, ...]) -> list[Column[Any]]:
        """The columns of a field; notes how it is written and read."""
        name, optional = field.name, NoneType in get_args(hint)
        kind = str if get_origin(hint) is Literal else get_args(hint)[0] if optional else hint
        if kind is Amount:
            units = [f"{names[0]}_{unit}" for unit in SMALLEST_UNITS]
            self._paths += [f"{name}.{unit}" for _ in names for unit in UNITS]
            self._taken[name] = lambda columns, texts: Amount(*(columns[unit] for unit in units))
            return [column for each in names for column in amount_columns(each)]
        self._paths.append(f"{name}.value" if kind is Status else name)
        if kind is Usage:
            self._usage = len(self._paths) - 1
            self._taken[name] = lambda columns, texts: _usage(columns, names)
            return [Column(each, Integer) for each in names]
        (column,) = names
        if name in self._texts:
            usual = "" if field.default is MISSING else field.default
            self._hashed.append((len(self._paths) - 1, usual, name in self._said))
            self._taken[name] = lambda columns, texts: texts(columns[column]) or usual
            return [Column(column, Text)]
        read = kind if kind in (Status, bool) else None
        self._taken[name] = lambda columns, texts: _value(columns[column], read)
        return [Column(column, _TYPES[kind], nullable=optional)]


def _value(stored: Any, read: Callable[[Any], Any] | None) -> Any:
    return stored if read is None or stored is None else read(stored)


def _usage(columns: Columns, names: tuple[str, ...]) -> Usage | None:
    counts = {field.name: columns[name] for field, name in zip(fields(Usage), names, strict=True)}
    return None if counts["input_tokens"] is None else Usage(**counts | {"estimated": bool(counts["estimated"])})


def insert_statement(table: Table, on_conflict: str = "replace") -> str:
    """The driver's SQL to insert a row of `table`, parameters in the order of its stored columns.

    Args:
        table: where to.
        on_conflict: what happens to a row whose key exists: "replace" sets its columns in place, so that it keeps
            its row number; "keep" leaves it as it is; "fail" is an error.
    """
    names = [column.name for column in table.columns if column.computed is None]
    statement = insert(table).values(dict.fromkeys(names))
    keys = [column.name for column in table.primary_key.columns]
    if on_conflict == "replace":
        fresh = {name: statement.excluded[name] for name in names if name not in keys}
        statement = statement.on_conflict_do_update(index_elements=keys, set_=fresh)
    elif on_conflict == "keep":
        statement = statement.on_conflict_do_nothing(index_elements=keys)
    return str(statement.compile(dialect=_DIALECT, column_keys=names))
