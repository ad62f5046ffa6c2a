"""The frontier and the gates of a study as HTML for notebooks: small tables that need no style and run no script."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ...records.display import markup
from ..analysis.gate_openings import GateReport
from ..analysis.target_score import TargetReport
from ..bootstrap import Interval
from .plan_report import PlanReport, PolicyScore, Score

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
    titles = ("plan", "knobs", "validation, 95 %", "cost", "test, 95 %", "cost", "answered", "fits")
    rows = "".join(_row(plan, chosen=plan.plan_hash == chosen) for plan in plans)
    told = "".join(map(_policy, policies))
    of_policies = ("policy", "validation, 95 %", "cost", "right", "wrong", "abstained", "unanswered")
    more = _table(of_policies, told) if told else ""
    items = "".join(f"<li>{markup(note)}</li>" for note in notes)
    return (
        f"<div><p>{markup(head)}</p>{_table(titles, rows)}{more}{_gates(gates)}"
        f"{f'<ul>{items}</ul>' if items else ''}</div>"
    )


def _gates(gates: Sequence[GateReport]) -> str:
    """The gates of the chosen plan against its twins; nothing where it has none."""
    if not gates:
        return ""
    titles = ("gate", "opens", "open", "questions", "brought, 95 %", "saved, 95 %", "lost, 95 %", "not told")
    rows = "".join(f"<tr>{_cells('td', _gate(gate))}</tr>" for gate in gates)
    head = (
        "gates of the chosen plan: brought is its score less that with the gate always shut; saved and lost are the "
        "cost and the score with it always open less its own, on the same questions with the same draws"
    )
    return f"<p>{head}</p>{_table(titles, rows)}"


def _gate(gate: GateReport) -> tuple[str, ...]:
    opens, opened = f"{gate.signal} {gate.opens}", f"{gate.opened} of {gate.runs}"
    saved = "" if gate.saved is None else f"{gate.saved.mean:+,.4g} ({gate.saved.low:+,.4g} to {gate.saved.high:+,.4g})"
    return (gate.edge, opens, opened, str(gate.n), _gain(gate.brought), saved, _gain(gate.lost), gate.untold)


def _gain(found: Interval | None) -> str:
    return "" if found is None else f"{found.mean:+.3f} ({found.low:+.2f} to {found.high:+.2f})"


def _table(titles: tuple[str, ...], rows: str) -> str:
    return f"<table><thead><tr>{_cells('th', titles)}</tr></thead><tbody>{rows}</tbody></table>"


def _row(plan: PlanReport, *, chosen: bool) -> str:
    settings = [f"{name}={_shown(value)}" for name, value in plan.plan["values"].items()]
    edges = [f"{edge} on" for edge in plan.plan["edges"]]
    cells = (
        plan.plan_hash[:8] + (" (chosen)" if chosen else ""),
        ", ".join([*settings, *edges]),
        _score(plan.validation),
        _cost(plan.validation),
        _score(plan.test),
        _cost(plan.test),
        f"{100 * (plan.test or plan.validation).coverage:.0f} %",
        "yes" if plan.affordable else "no",
    )
    return f"<tr>{_cells('td', cells)}</tr>"


def _policy(score: PolicyScore) -> str:
    found = score.shares
    shares = () if found is None else (found.right, found.wrong, found.abstained, found.unanswered)
    cells = (
        score.policy,
        f"{score.score:.3f} ({score.low:.2f} to {score.high:.2f})",
        f"{score.cost:,.4g}",
        *(f"{100 * share:.0f} %" for share in shares),
    )
    return f"<tr>{_cells('td', cells)}</tr>"


def _cells(tag: str, texts: tuple[str, ...]) -> str:
    return "".join(f"<{tag}>{markup(text)}</{tag}>" for text in texts)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _score(score: Score | None) -> str:
    return "" if score is None else f"{score.score:.3f} ({score.low:.2f} to {score.high:.2f})"


def _cost(score: Score | None) -> str:
    return "" if score is None else f"{score.cost:,.4g}"
