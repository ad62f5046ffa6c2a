"""The frontier of a study as HTML for notebooks: a small table that needs no style and runs no script."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...records.display import markup
from .plan_report import PlanReport, Score

if TYPE_CHECKING:
    from .report import PolicyScore

__all__ = ["html_of"]


def html_of(
    head: str,
    plans: Sequence[PlanReport],
    chosen: str | None,
    notes: Sequence[str],
    policies: Sequence[PolicyScore] = (),
) -> str:
    """The tables of plans and policies, with a line above and notes below; all text in it is text, whoever wrote it."""
    titles = ("plan", "knobs", "validation, 95 %", "cost", "test, 95 %", "cost", "answered", "fits")
    rows = "".join(_row(plan, chosen=plan.plan_hash == chosen) for plan in plans)
    told = "".join(map(_policy, policies))
    of_policies = ("policy", "validation, 95 %", "cost", "right", "wrong", "abstained", "unanswered")
    more = f"<table><thead><tr>{_cells('th', of_policies)}</tr></thead><tbody>{told}</tbody></table>" if told else ""
    items = "".join(f"<li>{markup(note)}</li>" for note in notes)
    return (
        f"<div><p>{markup(head)}</p><table><thead><tr>{_cells('th', titles)}</tr></thead><tbody>{rows}</tbody></table>"
        f"{more}{f'<ul>{items}</ul>' if items else ''}</div>"
    )


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
