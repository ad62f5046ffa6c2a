"""The frontier and the gates of a study as HTML for notebooks: small tables that need no style and run no script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...records.display import markup
from ..analysis.gate_openings import GateReport
from ..analysis.target_score import TargetReport
from ..bootstrap import Interval
from .plan_report import PlanReport, PolicyScore
from .report_cells import OF_PLANS, OF_POLICIES, plan_cells, policy_cells

__all__ = ["html_of", "told_of_target"]


def told_of_target(found: TargetReport | None) -> tuple[str, ...]:
    """What reaching a score costs, in a sentence; none where nobody asked."""
    if found is None:
        return ()
    target = f"target score {found.target:.3g}"
    if found.best_score is None:
        return (f"{target}: not looked for: {found.why}",)
    if found.budget is None:
        best = f"best {found.best_score:.3f} at {found.best_budget:,.4g}"
        return (f"{target}: not reached within {found.ceiling:,.4g} {found.unit} a task; {best}",)
    reached = f"{target}: reached from {found.budget:,.4g} {found.unit} a task on"
    if found.test is None:
        return (f"{reached}; not tested",)
    test = found.test
    return (f"{reached}; {test.verdict} on test: {test.score:.3f} ({test.low:.3f} to {test.high:.3f})",)


def html_of(
    head: str,
    plans: Sequence[PlanReport],
    chosen: str | None,
    notes: Sequence[str],
    *,
    gates: Sequence[GateReport] = (),
    policies: Sequence[PolicyScore] = (),
) -> str:
    """The tables, with a line above each and notes below; all text in them is text, whoever wrote it."""
    rows = (plan_cells(plan, chosen=plan.plan_hash == chosen) for plan in plans)
    more = _table(OF_POLICIES, map(policy_cells, policies)) if policies else ""
    items = "".join(f"<li>{markup(note)}</li>" for note in notes)
    return (
        f"<div><p>{markup(head)}</p>{_table(OF_PLANS, rows)}{more}{_gates(gates)}"
        f"{f'<ul>{items}</ul>' if items else ''}</div>"
    )


def _gates(gates: Sequence[GateReport]) -> str:
    """The gates of the chosen plan against its twins; nothing where it has none."""
    if not gates:
        return ""
    titles = ("gate", "opens", "open", "questions", "brought, 95 %", "saved, 95 %", "lost, 95 %", "not told")
    head = (
        "gates of the chosen plan: brought is its score less that with the gate always shut; saved and lost are the "
        "cost and the score with it always open less its own, on the same questions with the same draws"
    )
    return f"<p>{head}</p>{_table(titles, map(_gate, gates))}"


def _gate(gate: GateReport) -> tuple[str, ...]:
    opens, opened = f"{gate.signal} {gate.opens}", f"{gate.opened} of {gate.runs}"
    saved = "" if gate.saved is None else f"{gate.saved.mean:+,.4g} ({gate.saved.low:+,.4g} to {gate.saved.high:+,.4g})"
    return (gate.edge, opens, opened, str(gate.n), _gain(gate.brought), saved, _gain(gate.lost), gate.untold)


def _gain(found: Interval | None) -> str:
    return "" if found is None else f"{found.mean:+.3f} ({found.low:+.2f} to {found.high:+.2f})"


def _table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    body = "".join(f"<tr>{_cells('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{_cells('th', titles)}</tr></thead><tbody>{body}</tbody></table>"


def _cells(tag: str, texts: tuple[str, ...]) -> str:
    return "".join(f"<{tag}>{markup(text)}</{tag}>" for text in texts)
