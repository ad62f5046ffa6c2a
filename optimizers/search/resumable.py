"""A search written as a generator of rounds, walked as far as the measurements reach."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence

from .base import Proposal
from .measurement import Measurement, Outcome

__all__ = ["Resumable", "Rounds"]

Rounds = Generator[Sequence[Proposal], Sequence[Measurement], None]
"""Yields what to measure next, and is sent the measurements of these plans on these tasks, in the same order."""


class Resumable:
    """Keeps a generator of rounds between calls, so that a search need not be thought through again each time.

    A search that was stopped walks through the rounds that are on record and stops at the first that is not. Where what
    was measured disagrees with what the generator was told, it begins anew.

    Args:
        begin: makes the generator. All of them must do the same when told the same.
    """

    def __init__(self, begin: Callable[[], Rounds]) -> None:
        self._begin = begin
        self._rounds: Rounds | None = None
        self._pending: Sequence[Proposal] = ()
        self._told: dict[str, tuple[Outcome, ...]] = {}

    def go_on(self, measured: Mapping[str, Measurement]) -> Sequence[Proposal]:
        """What is missing from the first round that was not measured as a whole; nothing at the end."""
        if self._rounds is None or not self._agrees(measured):
            self._rounds, self._told = self._begin(), {}
            self._pending = next(self._rounds, ())
        while self._pending:
            missing = [proposal for proposal in self._pending if not proposal.met(measured)]
            if missing:
                return missing
            answers = [measured[p.plan.hash].first(p.tasks) for p in self._pending]
            self._told |= {answer.plan.hash: answer.outcomes for answer in answers}
            try:
                self._pending = self._rounds.send(answers)
            except StopIteration:
                self._pending = ()
        return []

    def _agrees(self, measured: Mapping[str, Measurement]) -> bool:
        return all(
            name in measured and measured[name].outcomes[: len(outcomes)] == outcomes
            for name, outcomes in self._told.items()
        )
