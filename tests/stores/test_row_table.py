"""What stands in a row type is what stands in its table."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import MetaData
from sqlalchemy.schema import CreateTable

from apportion.records.status import Status
from apportion.records.usage import Amount, Usage
from apportion.stores.row_table import RowTable
from apportion.stores.texts import TextEncoder


@dataclass(frozen=True)
class Thing:
    name: str
    kind: Literal["round", "square"]
    size: float
    status: Status
    told: bool
    bound: Amount
    usage: Usage | None = None
    seed: int | None = None
    text: str = ""
    log: str = ""


TABLE = RowTable(
    MetaData(),
    "thing",
    Thing,
    keys=2,
    renamed={
        "bound": ("bound", "reserved"),
        "usage": ("read", "wrote", "thought", "known", "guessed"),
        "log": ("log_hash",),
    },
    texts={"log"},
)
FULL = Thing("a", "round", 1.5, Status.OK, True, Amount(1, 2, 3), Usage(4, 5, 1, 2, True), 7, "said", "[1]")
BARE = Thing("b", "square", 0.0, Status.TIMEOUT, False, Amount())


def through_a_table(*things: Thing) -> list[Thing]:
    """What is read of what was written."""
    encoder = TextEncoder()
    texts = {encoder.hash(thing.log): thing.log for thing in things}
    with sqlite3.connect(":memory:") as connection:
        connection.row_factory = sqlite3.Row
        connection.execute(str(CreateTable(TABLE.table)))
        for thing in things:
            connection.execute(TABLE.insert, TABLE.values(thing, encoder))
        rows = connection.execute("SELECT * FROM thing ORDER BY rowid").fetchall()
    return [TABLE.row(dict(row), lambda name: "" if name is None else texts[name]) for row in rows]


def test_rows_come_back_as_they_were() -> None:
    assert through_a_table(FULL, BARE) == [FULL, BARE]


def test_columns_are_named_after_fields_and_the_first_are_the_key() -> None:
    names = [column.name for column in TABLE.table.columns]
    assert names[:6] == ["name", "kind", "size", "status", "told", "bound_tokens"]
    assert names[9:16] == ["reserved_microweighted", "reserved_nanousd", "read", "wrote", "thought", "known", "guessed"]
    assert names[16:] == ["seed", "text", "log_hash"]
    assert [column.name for column in TABLE.table.primary_key] == ["name", "kind"]
    assert {column.name for column in TABLE.table.columns if column.nullable} >= {"seed", "log_hash", "read"}
    assert not TABLE.table.c.size.nullable


def test_a_row_of_the_same_key_takes_the_place_of_the_first() -> None:
    again = Thing("a", "round", 9.0, Status.OK, False, Amount())
    assert through_a_table(FULL, BARE, again) == [again, BARE]
    assert len(through_a_table(FULL, Thing("a", "square", 1.5, Status.OK, True, Amount()))) == 2
