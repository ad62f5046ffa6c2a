"""A report as text, for `print`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...records.display import visible
from .plan_report import PlanReport, PolicyScore
from .report_cells import OF_PLANS, OF_POLICIES, plan_cells, policy_cells

__all__ = ["text_of"]

_KNOBS = OF_PLANS.index("knobs")


def text_of(
    head: str, plans: Sequence[PlanReport], chosen: str | None, notes: Sequence[str], policies: Sequence[PolicyScore]
) -> str:
    """The frontier, what the chosen plan sets, the policies, and the notes: lines without colours or control signs."""
    rows = [plan_cells(plan, chosen=plan.plan_hash == chosen) for plan in plans]
    lines = [head, *_table(_short(OF_PLANS), map(_short, rows))]
    lines += [f"chosen: {row[_KNOBS]}" for plan, row in zip(plans, rows, strict=True) if plan.plan_hash == chosen]
    if policies:
        lines += ["", *_table(OF_POLICIES, map(policy_cells, policies))]
    return "\n".join(visible(line).rstrip() for line in [*lines, *(f"note: {note}" for note in notes)])


def _short(cells: tuple[str, ...]) -> tuple[str, ...]:
    """Without the knobs, which are longer than a line."""
    return cells[:_KNOBS] + cells[_KNOBS + 1 :]


def _table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Lines in which every column but the first ends at one place."""
    cells = [titles, *rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(cell.rjust(width) if place else cell.ljust(width) for place, (cell, width) in enumerate(pairs))
        for pairs in (list(zip(row, widths, strict=True)) for row in cells)
    ]
