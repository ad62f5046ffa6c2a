"""Rows of a database as a table on the terminal, and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .output import cell

if TYPE_CHECKING:
    from ..stores.read_only_query import Answer

__all__ = ["answer_json", "count", "listing", "moment", "one_line", "records", "share"]

_NARROWEST = 12
"""What is shown of a text where there is no room: fewer characters tell none from another."""
_WIDEST = 10_000
"""Columns that no table needs."""


def listing(
    columns: Sequence[str],
    lines: Sequence[Sequence[object]],
    *,
    right: Collection[str] = (),
    texts: int = 0,
    widest: int = 40,
) -> None:
    """Prints a table; numbers and ids are never cut, so it may run over the edge of a narrow terminal.

    Args:
        columns: their titles.
        lines: their cells, without markup; SQLite keeps any value in any column, so not all need be texts.
        right: the titles of columns that end at the right.
        texts: how many of the last columns are texts, which share the room that the others leave and are cut to it.
        widest: the most places of one of them that are shown.
    """
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Table

    console = Console()
    plain = len(columns) - texts
    told = [cell(column) for column in columns], *([cell(_told(value)) for value in line] for line in lines)
    taken = sum(
        2 + max(each.cell_len for each in column) for column in zip(*(line[:plain] for line in told), strict=True)
    )
    room = max(_NARROWEST, min(widest, (console.width - taken) // texts - 2)) if texts else 0
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    for column in columns:
        table.add_column(cell(column), no_wrap=True, justify="right" if column in right else "left")
    for line in told[1:]:
        for text in line[plain:]:
            text.truncate(room)  # by its width: some characters take two places, and an escape more than what it is for
        table.add_row(*line)
    wide = Measurement.get(console, console.options.update_width(_WIDEST), table).maximum
    if wide > console.width:
        table.width = wide
    console.print(table, crop=False)


def one_line(text: str) -> str:
    """A text with single spaces for its white space."""
    return " ".join(text.split())


def _told(value: object) -> str:
    return f"({len(value):,} bytes)" if isinstance(value, bytes) else one_line(str(value))


def count(value: object) -> str:
    """A quantity; a dash where there is none, and as it is where it is no number."""
    return _number(value, ",.0f")


def share(value: object) -> str:
    """A score or a share; a dash where there is none, and as it is where it is no number."""
    return _number(value, ".2f")


def _number(value: object, written: str) -> str:
    return format(value, written) if isinstance(value, int | float) else "-" if value is None else str(value)


def moment(seconds: Any, written: str) -> str:
    """A time of day here; as it is where it is none.

    Args:
        seconds: since the epoch.
        written: how, as `strftime` takes it.
    """
    try:
        return f"{datetime.fromtimestamp(seconds):{written}}"
    except (TypeError, ValueError, OverflowError, OSError):
        return str(seconds)


def records(answer: Answer) -> list[dict[str, Any]]:
    """The rows of an answer by column; of columns of the same name the later ones are numbered."""
    names: list[str] = []
    for column in answer.columns:
        number, name = 1, column
        while name in names:
            number += 1
            name = f"{column}_{number}"
        names.append(name)
    return [dict(zip(names, row, strict=True)) for row in answer.rows]


def answer_json(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as JSON; bytes as hexadecimal digits, and numbers that JSON has not as text."""
    return json.dumps(
        [{name: _json(value) for name, value in row.items()} for row in rows], indent=2, ensure_ascii=False
    )


def _json(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
