"""How a study tells, while it runs, how far it is."""

from __future__ import annotations

import time

from .accounts import StudyAccounts
from .reporter import Progress, Reporter
from .trials import TrialEvaluator

__all__ = ["Telling"]

_SECONDS = 0.1
"""The shortest time between two reports of progress; each asks the books for what was paid."""


class Telling:
    """Counts the runs of a study, and tells a reporter of its progress now and then.

    Args:
        spend: what the study may pay.
        accounts: of the study.
        reporter: is told.
    """

    def __init__(self, spend: float, accounts: StudyAccounts, reporter: Reporter) -> None:
        self.runs = 0
        """How many there were so far."""
        self._spend = spend
        self._accounts = accounts
        self._reporter = reporter
        self._evaluator: TrialEvaluator | None = None
        self._phase = "fit"
        self._told = 0.0

    def follow(self, evaluator: TrialEvaluator) -> None:
        """From here on, also tells what the evaluator has measured."""
        self._evaluator = evaluator

    def enter(self, phase: str) -> None:
        """Another phase begins; its first run is told of at once."""
        self._phase = phase
        self._told = 0.0

    def finished(self, _: object) -> None:
        """A run has ended."""
        self.runs += 1
        now = time.monotonic()
        if now - self._told < _SECONDS:
            return
        self._told = now
        measured = {} if self._evaluator is None else self._evaluator.measured("fit")
        compared = {} if self._evaluator is None else self._evaluator.measured("validation")
        best = max((each.score for each in (compared or measured).values()), default=None)
        self._reporter.progress(Progress(self._phase, self.runs, self._accounts.paid, self._spend, len(measured), best))
