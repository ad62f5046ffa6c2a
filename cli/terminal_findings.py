"""What a study found about nodes, edges, search rounds and votes, on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from ..optimizers.analysis.edge_ablation import EdgeWorth
from ..optimizers.analysis.gate_openings import GateReport
from ..optimizers.analysis.iso_cost import IsoCostLevel
from ..optimizers.analysis.vote_curves import VotePoint
from ..optimizers.study.report import ReadingReport, StudyReport, VotesReport
from .layout import difference, labelled, rows
from .numbers import number

__all__ = [
    "print_edges",
    "print_gates",
    "print_headroom",
    "print_iso_cost",
    "print_readings",
    "print_reasoning",
    "print_votes",
]

_WORTH_TELLING = 0.03
"""The share of a node's replies that gave no answer from which on they are told of."""
_NO_ANSWER = ("abstained", "unread", "starved", "refused", "filtered", "oversize", "failed")
_WORST = 5
"""Nodes and models that are told of; a large space has dozens."""
_VOTES = 8
"""Numbers of samples on a line."""


def print_headroom(console: Console, report: StudyReport) -> None:
    """Prints what perfect nodes would add to the chosen plan."""
    if not report.headroom:
        return
    first = report.headroom[0]
    labelled(
        console,
        "headroom",
        f"what the chosen plan, {first.score:.3f} on {first.tasks} tasks of validation, would score if one node made "
        "no mistake",
    )
    rows(
        console,
        ["", "would score", "gain, 95 %", "known on"],
        [
            [each.node, f"{each.with_gold:.3f}", difference(each.gain), f"{each.known} tasks"]
            for each in report.headroom
        ],
    )


def print_edges(console: Console, report: StudyReport) -> None:
    """Prints which optional edges are worth their cost."""
    found = report.edges
    if found is None:
        return
    unit = report.cap.unit
    labelled(
        console,
        "edges",
        f"{found.plans} choices of them on {found.tasks} tasks of fit; one is kept where it brings more than "
        f"{found.price:.2g} score a {_singular(unit)}",
    )
    rows(
        console,
        ["", "", "score, 95 %", f"{unit} a task"],
        [_edge_row(each) for each in found.edges],
        left=(0, 1),
    )


def print_gates(console: Console, report: StudyReport) -> None:
    """Prints how often the gates of the chosen plan opened, and what runs came to on either side."""
    if not report.gates:
        return
    labelled(
        console,
        "gates",
        f"of the chosen plan on validation, in {report.cap.unit} a task; either side has questions of its own",
    )
    rows(
        console,
        ["", "", "open", "score", "cost", "shut: score", "cost"],
        [_gate_row(each) for each in report.gates],
        left=(0, 1),
    )
    told = [each for each in report.gates if each.n]
    if told:
        labelled(
            console,
            "",
            "against the plan with the gate always shut, and with it always open: the same questions and draws",
        )
        rows(
            console,
            ["", "questions", "brought, 95 %", "saved", "lost, 95 %"],
            [_twin_row(each) for each in told],
        )
    for each in report.gates:
        if each.untold:
            labelled(
                console, "", f"{each.edge}: {'' if each.n else 'what it brings is not known: '}{each.untold}", style=""
            )


def _twin_row(found: GateReport) -> list[str]:
    brought, lost = ("-" if value is None else difference(value) for value in (found.brought, found.lost))
    return [found.edge, str(found.n), brought, "-" if found.saved is None else f"{found.saved.mean:+,.3g}", lost]


def _gate_row(found: GateReport) -> list[str]:
    costs = ["" if value is None else number(value) for value in (found.cost_open, found.cost_shut)]
    scores = ["" if value is None else f"{value:.3f}" for value in (found.score_open, found.score_shut)]
    opened = f"{found.opened} of {found.runs}"
    return [found.edge, f"{found.signal} {found.opens}", opened, scores[0], costs[0], scores[1], costs[1]]


def print_iso_cost(console: Console, report: StudyReport) -> None:
    """Prints search rounds against reasoning depth at equal cost."""
    if not report.iso_cost:
        return
    counts = sorted({way.rounds for level in report.iso_cost for way in level.ways})
    labelled(
        console,
        "rounds",
        f"of search against depth of reasoning at equal cost: the best score on fit within so many {report.cap.unit} "
        "a task",
    )
    header = ["within", *(f"{count} {'round' if count == 1 else 'rounds'}" for count in counts)]
    lines = [[number(level.level), *_level_row(level, counts)] for level in report.iso_cost]
    rows(console, header, lines, left=range(1, len(header)))


def print_failed_functions(console: Console, report: StudyReport) -> None:
    """Prints which functions failed in the runs of the chosen plan, and the newest reason."""
    for place, found in enumerate(report.failed_functions):
        kinds = ", ".join(f"{count:,} {status}" for status, count in found.statuses.items())
        share = f"{found.failed:,} of {found.executions:,} executions under the chosen plan ({kinds})"
        labelled(
            console,
            "failed" if not place else "",
            f"{found.node} failed in {share}, for example in run {found.run_id[:8]}: {found.reason}",
            style="yellow",
        )


def print_readings(console: Console, report: StudyReport) -> None:
    """Prints where most replies gave no answer, if those were more than a few, and what hung on them."""
    odd = [found for found in report.readings if _silent(found) > _WORTH_TELLING]
    if not odd:
        return
    # What a choice hung on comes first, or it would be lost among models that were dropped early.
    odd.sort(key=lambda found: (not found.warning, -_silent(found), -found.replies))
    told, more = odd[:_WORST], odd[_WORST:]
    total, answered, unread = (
        sum(getattr(each, name) for each in report.readings) for name in ("replies", "answered", "unread")
    )
    labelled(
        console,
        "unread",
        f"{total - answered:,} of {total:,} replies gave no answer, {unread:,} of them because nothing could be read",
    )
    kinds = [kind for kind in _NO_ANSWER if any(getattr(found, kind) for found in told)]
    rows(
        console,
        ["", "", "", "replies", "answered", *kinds],
        [_reading_row(found, kinds) for found in told],
        left=(0, 1, 2),
    )
    for found in told:
        for kind, example in ((kind, found.examples[kind]) for kind in kinds if kind in found.examples):
            said = repr(example.text) if example.text else example.reason
            labelled(console, "", f"{kind}, {found.node}, {found.model}: {said} in run {example.run_id[:8]}", style="")
        if found.warning:
            labelled(console, "", found.warning, style="yellow")
    if more:
        warned = sum(bool(found.warning) for found in more)
        labelled(
            console,
            "",
            f"{len(more)} more nodes and models"
            + (f", choices hung on {warned} of them" if warned else "")
            + "; --json FILE lists all as `readings`, and starting the same study again for it pays for nothing twice",
            style="yellow" if warned else "",
        )


def _silent(found: ReadingReport) -> float:
    """The share of replies that gave no answer."""
    return (found.replies - found.answered) / found.replies


def print_reasoning(console: Console, report: StudyReport) -> None:
    """Prints what hidden reasoning took, by node, model and effort, where there was any."""
    told = [found for found in report.readings if found.reasoning_tokens]
    if not told:
        return
    hidden, output = (sum(getattr(each, name) for each in told) for name in ("reasoning_tokens", "output_tokens"))
    labelled(
        console, "hidden", f"reasoning took {hidden:,} of {output:,} output tokens; all of them count against the cap"
    )
    rows(
        console,
        ["", "", "", "replies", "reasoning a reply", "of the output"],
        [
            [
                *(found.node, found.model, found.style, f"{found.replies:,}"),
                f"{found.reasoning_tokens / found.replies:,.0f}",
                f"{100 * found.reasoning_tokens / max(1, found.output_tokens):.0f} %",
            ]
            for found in told
        ],
        left=(0, 1, 2),
    )


def _reading_row(found: ReadingReport, kinds: Sequence[str]) -> list[str]:
    shares = [f"{100 * getattr(found, kind) / found.replies:.0f} %" for kind in ("answered", *kinds)]
    return [found.node, found.model, found.style, f"{found.replies:,}", *shares]


def print_votes(console: Console, report: StudyReport) -> None:
    """Prints vote curves."""
    for found in report.votes:
        fixed = [point for point in found.points if point.stop is None]
        how = ", ".join(filter(None, (found.model, found.style)))
        chosen = _spread(fixed)
        labelled(
            console,
            "votes",
            f"of {found.node} alone ({how}) on {found.tasks} tasks of fit",
        )
        rows(
            console,
            ["samples", *(str(point.most) for point in chosen), _rule(found)],
            [
                ["score", *(f"{point.score:.3f}" for point in chosen), *_best_rule(found, "score")],
                [report.cap.unit, *(number(point.cost) for point in chosen), *_best_rule(found, "cost")],
            ],
        )


def _edge_row(each: EdgeWorth) -> list[str]:
    what = "kept: brings" if each.kept else "cut: would bring"
    return [each.edge, what, difference(each.gain), f"{each.cost.mean:+,.3g}"]


def _level_row(level: IsoCostLevel, counts: list[int]) -> list[str]:
    ways = {way.rounds: way for way in level.ways}
    best = max((way.score for way in level.ways), default=0.0)
    return [
        "-"
        if count not in ways
        else f"{ways[count].score:.3f} {ways[count].depth}{' *' if ways[count].score == best else ''}"
        for count in counts
    ]


def _spread(points: list[VotePoint]) -> list[VotePoint]:
    """Few enough for a line, the first and the last among them."""
    if len(points) <= _VOTES:
        return points
    step = (len(points) - 1) / (_VOTES - 1)
    return [points[round(step * number)] for number in range(_VOTES)]


def _stopping(found: VotesReport) -> VotePoint | None:
    """The stop rule that scores best, the cheapest of equal ones."""
    ruled = [point for point in found.points if point.stop is not None]
    return max(ruled, key=lambda point: (round(point.score, 3), -point.cost), default=None)


def _rule(found: VotesReport) -> str:
    best = _stopping(found)
    return "" if best is None else f"{best.least} to {best.most}, {best.stop}"


def _best_rule(found: VotesReport, what: str) -> list[str]:
    best = _stopping(found)
    if best is None:
        return [""]
    return [f"{best.score:.3f}" if what == "score" else number(best.cost)]


def _singular(unit: str) -> str:
    return {"tokens": "token", "weighted": "weighted token", "usd": "dollar"}[unit]
