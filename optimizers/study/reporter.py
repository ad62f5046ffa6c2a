"""How a study tells what it is about to do, what it is doing, and what it found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ...budgets.cap import Cap
from .report import StudyReport

__all__ = ["Announcement", "Calling", "Progress", "Reporter", "Silent"]


@dataclass(frozen=True, slots=True)
class Announcement:
    """What is known before the first call."""

    plans_in_space: int
    first_plans: int
    """How many plans the search starts with."""
    models: tuple[str, ...]
    tasks: dict[str, int]
    """How many tasks each part has."""
    cap: Cap
    allowed_per_task: float
    """What a task may charge on average, in the unit of the cap."""
    spend: float
    """The most that the study can pay, in the unit of the cap."""
    paid_before: float
    """What an earlier start of the same study has paid."""
    expected: float
    """What the study is expected to charge, most of it paid."""
    location: str
    verdict: float | None = None
    """What a verdict of the judge may cost, in the unit of the cap; None where the metric is no judge."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a study stands."""

    phase: str
    """fit, edges, validation, policies, test, gates or headroom; done at the end."""
    runs: int
    paid: float
    """In the unit of the cap, as `spend`."""
    spend: float
    plans: int = 0
    """How many have been measured."""
    best: float | None = None
    """The highest score of a plan, on validation once plans have been compared there; None before the first."""


class Reporter(Protocol):
    """Is told of a study; the command line prints, a notebook may draw."""

    def announce(self, announcement: Announcement) -> None:
        """Called once, before the first call."""

    def progress(self, progress: Progress) -> None:
        """Called after every run."""

    def finish(self, report: StudyReport) -> None:
        """Called once, at the end."""


class Calling:
    """Tells a function of the progress, and another reporter of everything.

    Args:
        function: is called from the thread in which the study runs, and ends the study where it raises.
        reporter: is told as well.
    """

    def __init__(self, function: Callable[[Progress], object], reporter: Reporter) -> None:
        self._function = function
        self._reporter = reporter

    def announce(self, announcement: Announcement) -> None:
        """See `Reporter.announce`."""
        self._reporter.announce(announcement)

    def progress(self, progress: Progress) -> None:
        """See `Reporter.progress`."""
        self._reporter.progress(progress)
        self._function(progress)

    def finish(self, report: StudyReport) -> None:
        """See `Reporter.finish`; whoever draws a bar is told of its end too."""
        self._reporter.finish(report)
        best = max((plan.validation.score for plan in report.frontier), default=None)
        self._function(Progress("done", report.runs, report.paid, report.spend, report.plans_measured, best))


class Silent:
    """A reporter that says nothing."""

    def announce(self, announcement: Announcement) -> None:
        """See `Reporter.announce`."""

    def progress(self, progress: Progress) -> None:
        """See `Reporter.progress`."""

    def finish(self, report: StudyReport) -> None:
        """See `Reporter.finish`."""
