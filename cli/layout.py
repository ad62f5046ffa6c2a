"""How lines stand on the terminal: a label, and beside it text or a table that never runs under the label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Literal

from rich.console import Console
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..optimizers.bootstrap import Interval
from ..records.display import visible
from .output import cell

__all__ = ["difference", "labelled", "rows", "shares"]

_LABEL = 9
"""Columns, the space behind the label included."""
_WIDEST = 10_000
"""Columns that no table needs."""
_LEAST_SHARE = 0.05
"""What fewer tasks have is not worth a place on a line."""


def labelled(console: Console, label: str, text: str, *, style: str = "bold") -> None:
    """Prints text behind a label; what does not fit on the line goes on below the text.

    Args:
        console: where to.
        label: at most eight characters; empty to go on with the label above.
        text: as it is, without markup.
        style: of the label.
    """
    lines = wrap(visible(text), max(console.width - _LABEL, _LABEL), break_on_hyphens=False) or [""]
    for number, line in enumerate(lines):
        console.print(Text(f"{'' if number else label:<{_LABEL}}", style) + Text(line), soft_wrap=True)


def rows(
    console: Console,
    header: Sequence[str],
    lines: Sequence[Sequence[str]],
    *,
    left: Sequence[int] = (0,),
    folded: int | None = None,
    marked: Sequence[int] = (),
) -> None:
    """Prints a table below the text of a label, further to the left where it is wide.

    Args:
        console: where to.
        header: of each column; all empty to leave it out.
        lines: the cells, without markup; none is cut, so that a table may run over the edge of a narrow terminal.
        left: the numbers of the columns that begin at the left; the others end at the right.
        folded: the number of the column that may go on in further lines; then the table stays below the text.
        marked: the numbers of lines in bold.
    """
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=any(header), header_style="dim")
    for number, title in enumerate(header):
        justify: Literal["left", "right"] = "left" if number in left else "right"
        table.add_column(cell(title), justify=justify, no_wrap=number != folded, overflow="fold")
    for number, line in enumerate(lines):
        table.add_row(*map(cell, line), style="bold" if number in marked else "")
    if folded is not None:
        console.print(Padding(table, (0, 0, 0, _LABEL)))
        return
    wide = _width(console, table)
    if wide >= console.width:
        table.padding = (0, 1, 0, 0)
        wide = _width(console, table)
    if wide < console.width:
        console.print(Padding(table, (0, 0, 0, min(_LABEL, console.width - wide))))
    else:
        # It runs over the edge, since half a number is a wrong one.
        table.width = wide
        console.print(table, crop=False)


def _width(console: Console, table: Table) -> int:
    """What a table takes where there is room enough."""
    return Measurement.get(console, console.options.update_width(_WIDEST), table).maximum


def difference(found: Interval) -> str:
    """A difference with its interval."""
    return f"{found.mean:+.3f} ({found.low:+.2f} to {found.high:+.2f})"


def shares(values: Mapping[str, float]) -> str:
    """The frequent values with their shares; of one value alone the share is left out."""
    kept = {value: share for value, share in values.items() if share >= _LEAST_SHARE} or dict(list(values.items())[:1])
    if len(kept) == 1 and next(iter(kept.values())) > 1 - _LEAST_SHARE:
        return next(iter(kept))
    return ", ".join(f"{value} {100 * share:.0f} %" for value, share in kept.items())
