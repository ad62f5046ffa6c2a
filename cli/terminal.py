"""A study on the terminal: what it may spend, how far it is, what it found."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as Bar

from ..graphs.knob_name import KnobName
from ..optimizers.study.plan_report import PlanReport, Score
from ..optimizers.study.report import StudyReport
from ..optimizers.study.reporter import Announcement, Progress
from .layout import labelled, rows
from .numbers import USD, dollars, number
from .terminal_findings import (
    print_edges,
    print_failed_functions,
    print_gates,
    print_headroom,
    print_iso_cost,
    print_readings,
    print_reasoning,
    print_votes,
)
from .terminal_judge import print_judge
from .terminal_policies import print_nodes, print_policies
from .terminal_target import print_target

if TYPE_CHECKING:
    from rich.progress import TaskID

__all__ = ["TerminalReporter", "plan_lines"]


class TerminalReporter:
    """Prints a study as it goes.

    Args:
        console: where to.
        families: whether to say of every family what the nodes got.
    """

    def __init__(self, console: Console, *, families: bool = True) -> None:
        self._console = console
        self._families = families
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def announce(self, announcement: Announcement) -> None:
        """See `Reporter.announce`."""
        a = announcement
        parts = ", ".join(f"{count} {name}" for name, count in a.tasks.items())
        self._say("space", f"{a.plans_in_space:,} plans; the race begins with {a.first_plans}")
        self._say("models", ", ".join(a.models))
        self._say("tasks", f"{sum(a.tasks.values()):,}: {parts}")
        caps = []
        if a.cap.total is not None:
            caps.append(f"{number(a.cap.total)} {a.cap.unit} for all tasks")
        if a.cap.per_task is not None:
            caps.append(f"{number(a.cap.per_task)} {a.cap.unit} for each")
        self._say("cap", f"{', '.join(caps)}: {number(a.allowed_per_task)} a task on average")
        before = f", {number(a.paid_before)} of it paid by an earlier start" if a.paid_before else ""
        self._say(
            "spend",
            f"the search pays at most {number(a.spend)} {a.cap.unit} (hard){before}; "
            f"expected: about {number(float(format(a.expected, '.2g')))}",
        )
        if a.verdict is not None:
            about = number(float(format(a.verdict, ".2g")))
            self._say("judge", f"a verdict may cost about {about} {a.cap.unit}; the spend pays for them too")
        self._say("store", a.location)
        self._bar = Bar(
            SpinnerColumn(),
            TextColumn("{task.description:<11}"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[paid]} of {task.fields[spend]} paid, {task.fields[runs]} runs"),
            console=self._console,
            transient=True,
        )
        self._task = self._bar.add_task("fit", total=a.spend, paid="0", spend=number(a.spend), runs=0)
        self._bar.start()

    def progress(self, progress: Progress) -> None:
        """See `Reporter.progress`."""
        if self._bar is None or self._task is None:
            return
        self._bar.update(
            self._task,
            completed=progress.paid,
            description=progress.phase,
            paid=number(progress.paid),
            runs=f"{progress.runs:,}",
        )

    def finish(self, report: StudyReport) -> None:
        """See `Reporter.finish`."""
        self.close()
        self._frontier(report)
        print_headroom(self._console, report)
        print_policies(self._console, report)
        print_target(self._console, report.target, "task")
        if report.policies is not None:
            print_nodes(self._console, report.policies, families=self._families)
        print_edges(self._console, report)
        print_gates(self._console, report)
        print_iso_cost(self._console, report)
        print_votes(self._console, report)
        print_judge(self._console, report)
        print_readings(self._console, report)
        print_failed_functions(self._console, report)
        print_reasoning(self._console, report)
        for note in report.clusters:
            self._say("clusters", note)
        warned = {found.warning for found in report.readings}
        for note in (note for note in report.notes if note not in warned):
            self._say("left out", note, style="yellow")
        if report.stopped_early:
            self._say("", "what the search may pay of the spend ran out before it was over; a larger --spend goes on")
        lost = f" ({number(report.lost)} of it lost to calls that failed or were interrupted)" if report.lost else ""
        self._say(
            "paid",
            f"{number(report.paid)} of {number(report.spend)} {report.cap.unit}{lost}; {report.plans_measured} plans, "
            f"{report.runs:,} runs, {report.seconds:.0f} s; the test part was read {report.test_reads} "
            + ("time" if report.test_reads == 1 else "times"),
        )
        self._say("store", f"every call is in {report.location}")

    def _frontier(self, report: StudyReport) -> None:
        unit = report.cap.unit
        if not report.frontier:
            self._say("plan", "none was measured on validation; the policy below is the likeliest")
            return
        self._say("frontier", f"score against cost, {unit} a task; test was one batch under the hard cap")
        priced = unit != "usd" and any(plan.validation.usd is not None for plan in report.frontier)
        money = [USD] if priced else []
        rows(
            self._console,
            ["plan", "validation, 95 %", "cost", *money, "test, 95 %", "cost", *money, "answered", "fits"],
            [_frontier_row(plan, priced) for plan in report.frontier],
            left=(0, 8 if priced else 6),
            marked=[place for place, plan in enumerate(report.frontier) if plan.plan_hash == report.chosen],
        )
        best = report.best
        if best is None:
            least = number(report.frontier[0].validation.cost)
            self._say(
                "plan",
                f"none is affordable: the cheapest on the frontier costs {least} {unit} a task on validation",
                style="bold red",
            )
            return
        self._say("plan", f"{best.plan_hash}: best on validation of those that fit the cap")
        for line in plan_lines(best.plan):
            self._say("", line)
        self._by_money(report, best)

    def _by_money(self, report: StudyReport, best: PlanReport) -> None:
        """What a choice by money would have been."""
        if report.by_money is None:
            return
        unit, said = report.cap.unit, []
        for found in (report.by_money.validation, best.validation):
            money = f"{dollars(found.usd)} USD a thousand tasks"
            said.append(f"{found.score:.3f} for {money} and {number(found.cost)} {unit} a task")
        fits = "" if report.by_money.affordable else f"; but it does not fit the cap in {unit}"
        told = f"plan {report.by_money.plan_hash[:8]} would be chosen: {said[0]}, beside {said[1]}{fits}"
        self._say("by money", told, style="yellow")

    def _say(self, label: str, text: str, *, style: str = "bold") -> None:
        labelled(self._console, label, text, style=style)

    def close(self) -> None:
        """Takes the progress bar away, also when the study failed."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _frontier_row(plan: PlanReport, priced: bool) -> list[str]:
    tested = plan.test
    return [
        plan.plan_hash[:8],
        _score(plan.validation),
        number(plan.validation.cost),
        *([dollars(plan.validation.usd)] if priced else []),
        "-" if tested is None else _score(tested),
        "-" if tested is None else number(tested.cost),
        *([dollars(None if tested is None else tested.usd)] if priced else []),
        f"{100 * (tested or plan.validation).coverage:.0f} %",
        "yes" if plan.affordable else "no",
    ]


def _score(score: Score) -> str:
    return f"{score.score:.3f} {score.low:.2f}-{score.high:.2f}"


def plan_lines(plan: dict[str, Any]) -> list[str]:
    """A plan as lines of text: one a node, and the optional edges that are on."""
    by_place: dict[str, list[str]] = {}
    for name, value in plan["values"].items():
        knob = KnobName.of(name)
        shown = value if isinstance(value, str) else json.dumps(value)
        by_place.setdefault(knob.place, []).append(f"{knob.setting}={shown}")
    width = max((len(place) for place in by_place), default=0)
    lines = [f"{place:<{width}}  {', '.join(settings)}" for place, settings in by_place.items()]
    return [*lines, f"optional edges on: {', '.join(plan['edges']) or 'none'}"]
