"""How a study tells what it is about to do, what it is doing, and what it found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ...budgets.cap import Cap
from .report import StudyReport

__all__ = ["Announcement", "Progress", "Reporter", "Silent"]


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


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a study stands."""

    phase: str
    """fit, validation or test."""
    runs: int
    paid: float
    spend: float


class Reporter(Protocol):
    """Is told of a study; the command line prints, a notebook may draw."""

    def announce(self, announcement: Announcement) -> None:
        """Called once, before the first call."""

    def progress(self, progress: Progress) -> None:
        """Called after every run."""

    def finish(self, report: StudyReport) -> None:
        """Called once, at the end."""


class Silent:
    """A reporter that says nothing."""

    def announce(self, announcement: Announcement) -> None:
        """See `Reporter.announce`."""

    def progress(self, progress: Progress) -> None:
        """See `Reporter.progress`."""

    def finish(self, report: StudyReport) -> None:
        """See `Reporter.finish`."""
