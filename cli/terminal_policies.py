"""What a study found about policies, edges and search rounds, on the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..optimizers.findings import (
    Bound,
    Difference,
    EdgeWorth,
    IsoCostLevel,
    NodeReport,
    NodeUse,
    PoliciesReport,
    PolicyScore,
    StudyReport,
)
from .numbers import number

__all__ = ["print_edges", "print_iso_cost", "print_nodes", "print_policies"]

_LEAST_SHARE = 0.05
"""What fewer tasks have is not worth a place on a line."""


def print_policies(console: Console, report: StudyReport) -> None:
    """Prints how policies compare, and what the chosen one reached on test."""
    found = report.policies
    if found is None:
        return
    unit = report.cap.unit
    console.print(
        f"[bold]policies[/] choose one of {len(found.arms)} plans for every task, at {number(found.budget)} {unit} a "
        f"task on average; on validation, under the hard cap",
        soft_wrap=True,
    )
    console.print(_policy_table(found))
    served = f", here as {found.member}" if found.member != found.chosen else ""
    probe = f"; it looks at {found.probe} first" if found.probe else ""
    console.print(
        f"[bold]chosen[/]  policy {found.chosen}{served}: within one standard error of the best{probe}", soft_wrap=True
    )
    if found.test is None:
        return
    score = found.test.score
    line = f"{score.score:.3f} ({score.low:.2f}-{score.high:.2f}) for {number(score.cost)} {unit} a task"
    console.print(f"[bold]test[/]    policy {line}, {100 * score.coverage:.0f} % answered", soft_wrap=True)
    best = report.best
    if best is not None and best.test is not None and found.test.gain is not None:
        console.print(
            f"        the best plan for all, {best.plan_hash[:8]}: {best.test.score:.3f} for {number(best.test.cost)}; "
            f"the policy gains {_signed(found.test.gain)}",
            soft_wrap=True,
        )


def print_nodes(console: Console, found: PoliciesReport, *, families: bool = True) -> None:
    """Prints for every node what it got and why.

    Args:
        console: where to.
        found: the report.
        families: whether to say it of every family as well.
    """
    console.print(
        "[bold]nodes[/]   what each got under the chosen policy, and what kept it from something else", soft_wrap=True
    )
    width = max(len(node.node) for node in found.nodes)
    for node in found.nodes:
        console.print(f"        {escape(node.node):<{width}}  {escape(_use(node.everywhere))}", soft_wrap=True)
        for use in node.families if families and _differs(node) else ():
            console.print(
                f"        {'':<{width}}    {escape(use.family)}: {escape(_use(use, why=False))}", soft_wrap=True
            )


def print_edges(console: Console, report: StudyReport) -> None:
    """Prints which optional edges are worth their cost."""
    found = report.edges
    if found is None:
        return
    console.print(
        f"[bold]edges[/]   of {found.plans} choices on {found.tasks} tasks of fit, at {found.price:.2g} score a "
        f"{_singular(report.cap.unit)}",
        soft_wrap=True,
    )
    width = max(len(each.edge) for each in found.edges)
    for each in found.edges:
        console.print(f"        {escape(each.edge):<{width}}  {_edge(each, report.cap.unit)}", soft_wrap=True)


def print_iso_cost(console: Console, report: StudyReport) -> None:
    """Prints search rounds against reasoning depth at equal cost."""
    if not report.iso_cost:
        return
    console.print(
        "[bold]rounds[/]  of search against depth of reasoning, on fit: the best plan at each level of cost",
        soft_wrap=True,
    )
    for level in report.iso_cost:
        console.print(f"        {_level(level, report.cap.unit)}", soft_wrap=True)


def _policy_table(found: PoliciesReport) -> Table:
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("policy", no_wrap=True)
    for column in ("validation, 95 %", "cost", "unanswered", "behind the best, 95 %"):
        table.add_column(column, justify="right", no_wrap=True)
    for score in found.scores:
        table.add_row(*_policy_row(score), style="bold" if score.policy == found.chosen else "")
    return table


def _policy_row(score: PolicyScore) -> list[str]:
    return [
        score.policy,
        f"{score.score:.3f} {score.low:.2f}-{score.high:.2f}",
        number(score.cost),
        f"{100 * score.unanswered:.0f} %",
        f"{score.behind.mean:.3f} {score.behind.low:.2f}-{score.behind.high:.2f}",
    ]


def _use(use: NodeUse, *, why: bool = True) -> str:
    """A node's settings with their shares, the frequent ones."""
    if not use.active:
        return "left out" + (f"; {_bound(use.bound)}" if why else "")
    parts = [] if use.active == 1 else [f"on for {use.active:.0%}"]
    if use.models:
        parts.append(_shares({model: share / use.active for model, share in use.models.items()}))
    parts += [f"{knob} {_shares(values)}" for knob, values in use.knobs.items()]
    if use.edges:
        parts.append(f"reads {_shares({edge.partition('->')[0]: share for edge, share in use.edges.items()})}")
    return "; ".join([", ".join(parts) or "on", *([_bound(use.bound)] if why else [])])


def _bound(bound: Bound) -> str:
    named = {"price": bound.price, "cap": bound.cap, "capability": bound.capability}
    return f"bound by {_shares(dict(sorted(named.items(), key=lambda each: -each[1])))}"


def _shares(values: Mapping[str, float]) -> str:
    """The frequent values; a share is left out where there is but one value."""
    kept = {value: share for value, share in values.items() if share >= _LEAST_SHARE} or dict(list(values.items())[:1])
    if len(kept) == 1 and next(iter(kept.values())) > 1 - _LEAST_SHARE:
        return next(iter(kept))
    return " ".join(f"{value} {share:.0%}" for value, share in kept.items())


def _differs(node: NodeReport) -> bool:
    """Whether families got something else than all together."""
    return len({(str(use.models), str(use.knobs), use.active > 0) for use in node.families}) > 1


def _edge(each: EdgeWorth, unit: str) -> str:
    gain, cost = _signed(each.gain), f"{each.cost.mean:+,.3g} {unit} a task"
    return f"kept: {gain} for {cost}" if each.kept else f"cut: would bring {gain} for {cost}"


def _level(level: IsoCostLevel, unit: str) -> str:
    best = max(level.ways, key=lambda way: (way.score, -way.rounds))
    ways = [
        f"{'[bold]' if way is best else ''}{way.rounds} {'round' if way.rounds == 1 else 'rounds'} and {way.depth} "
        f"{way.score:.3f}{'[/]' if way is best else ''}"
        for way in level.ways
    ]
    return f"{number(level.level)} {unit}: " + ", ".join(ways)


def _signed(found: Difference) -> str:
    return f"{found.mean:+.3f} ({found.low:+.2f} to {found.high:+.2f})"


def _singular(unit: str) -> str:
    return {"tokens": "token", "weighted": "weighted token", "usd": "dollar"}[unit]
