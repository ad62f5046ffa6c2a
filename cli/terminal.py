"""A study on the terminal: what it may spend, how far it is, what it found."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table

from ..optimizers.findings import PlanReport, Score, StudyReport
from ..optimizers.reporter import Announcement, Progress
from .numbers import number
from .terminal_policies import print_edges, print_iso_cost, print_nodes, print_policies

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
        total = sum(a.tasks.values())
        print_ = self._console.print
        print_(f"[bold]space[/]   {a.plans_in_space:,} plans; the race begins with {a.first_plans}")
        print_(f"[bold]models[/]  {', '.join(map(escape, a.models))}")
        print_(f"[bold]tasks[/]   {total:,}: {parts}")
        caps = []
        if a.cap.total is not None:
            caps.append(f"{number(a.cap.total)} {a.cap.unit} for all tasks")
        if a.cap.per_task is not None:
            caps.append(f"{number(a.cap.per_task)} {a.cap.unit} for each")
        print_(f"[bold]cap[/]     {', '.join(caps)}: {number(a.allowed_per_task)} a task on average")
        before = f", {number(a.paid_before)} of it paid by an earlier start" if a.paid_before else ""
        print_(
            f"[bold]spend[/]   the search pays at most {number(a.spend)} {a.cap.unit} (hard){before}; "
            f"expected: about {float(format(a.expected, '.1g')):,.0f}",
            soft_wrap=True,
        )
        print_(f"[bold]store[/]   {escape(a.location)}")
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
        self._console.print(
            f"[bold]frontier[/] score against cost, {report.cap.unit} a task; test was one batch under the hard cap"
        )
        self._console.print(_frontier_table(report))
        best = report.best
        if best is None:
            self._console.print(
                "[bold red]no plan is affordable[/]: the cheapest on the frontier costs "
                f"{number(report.frontier[0].validation.cost)} {report.cap.unit} a task on validation"
            )
        else:
            self._console.print(f"[bold]chosen[/]  plan {best.plan_hash}: best on validation of those that fit the cap")
            for line in plan_lines(best.plan):
                self._console.print(f"        {escape(line)}", highlight=False)
        print_policies(self._console, report)
        if report.policies is not None:
            print_nodes(self._console, report.policies, families=self._families)
        print_edges(self._console, report)
        print_iso_cost(self._console, report)
        for note in report.notes:
            self._console.print(f"[yellow]left out[/] {escape(note)}", soft_wrap=True)
        if report.stopped_early:
            self._console.print("[yellow]the spend ran out before the search was over; a larger --spend goes on[/]")
        lost = f" ({number(report.lost)} of it lost to calls that failed or were interrupted)" if report.lost else ""
        self._console.print(
            f"[bold]paid[/]    {number(report.paid)} of {number(report.spend)} {report.cap.unit}{lost}; "
            f"{report.plans_measured} plans, {report.runs:,} runs, {report.seconds:.0f} s; "
            f"the test part was read {report.test_reads} times"
        )
        self._console.print(f"[bold]store[/]   every call is in {escape(report.location)}")

    def close(self) -> None:
        """Takes the progress bar away, also when the study failed."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _frontier_table(report: StudyReport) -> Table:
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("plan", no_wrap=True)
    for column in ("validation, 95 %", "cost", "test, 95 %", "cost", "answered"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("fits", no_wrap=True)
    for plan in report.frontier:
        table.add_row(*_frontier_row(plan), style="bold" if plan.plan_hash == report.chosen else "")
    return table


def _frontier_row(plan: PlanReport) -> list[str]:
    tested = plan.test
    return [
        plan.plan_hash[:8],
        _score(plan.validation),
        number(plan.validation.cost),
        "-" if tested is None else _score(tested),
        "-" if tested is None else number(tested.cost),
        f"{100 * (tested or plan.validation).coverage:.0f} %",
        "yes" if plan.affordable else "no",
    ]


def _score(score: Score) -> str:
    return f"{score.score:.3f} {score.low:.2f}-{score.high:.2f}"


def plan_lines(plan: dict[str, Any]) -> list[str]:
    """A plan as lines of text: one a node, and the optional edges that are on."""
    by_place: dict[str, list[str]] = {}
    for knob, value in plan["values"].items():
        place, _, name = knob.rpartition(".")
        shown = value if isinstance(value, str) else json.dumps(value)
        by_place.setdefault(place, []).append(f"{name}={shown}")
    width = max((len(place) for place in by_place), default=0)
    lines = [f"{place:<{width}}  {', '.join(settings)}" for place, settings in by_place.items()]
    return [*lines, f"optional edges on: {', '.join(plan['edges']) or 'none'}"]
