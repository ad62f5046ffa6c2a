"""One question on its way through the arms that a policy asks, one look after the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from ...budgets.cap import in_unit
from ...graphs.plan import Plan
from ...graphs.result import Result
from ...records.rows import Unit
from ..policies.sequential_policy import STOP, Seen, Successor
from ..tables.table import UNANSWERED, Question, answer_numbers
from .answer import Menu

__all__ = ["Inquiry", "RunPlan", "Turn"]

RunPlan = Callable[[Plan, Sequence[Result]], Awaitable[Result | None]]
"""Runs one plan, given all results of the question so far; None where a cap has no room for it."""


@dataclass(frozen=True, slots=True)
class _Look:
    arm: int
    results: tuple[Result, ...]
    said: Result
    """Which of the results is the arm's answer."""


class Inquiry:
    """What was asked of one question, and what is to be asked next. Between two looks nothing is in flight.

    Args:
        successor: of the policy.
        menu: its arms.
        question: as the policy sees it.
        arm: to be asked first; or `UNANSWERED`.
        allowed: what the question may cost by the policy's own plan, or by a cap where that allows less.
        unit: of that.
    """

    def __init__(
        self, successor: Successor, menu: Menu, question: Question, arm: int, allowed: float, unit: Unit
    ) -> None:
        self._successor, self._menu, self._question = successor, menu, question
        self._allowed, self._unit = allowed, unit
        self._arm = STOP if arm == UNANSWERED else arm
        self._looks: list[_Look] = []
        self._rest: tuple[Result, ...] = ()
        self.cut = False
        """Whether a cap ended it before the policy or a rule did."""
        self.spent = False
        """Whether it ended because all that was planned for it is spent, though the policy would have looked on."""

    @property
    def open(self) -> bool:
        """Whether there is an arm to ask."""
        return self._arm != STOP

    @property
    def results(self) -> list[Result]:
        """Of all runs, in order."""
        return [*(result for look in self._looks for result in look.results), *self._rest]

    async def look(self, run: RunPlan) -> None:
        """Asks the arm whose turn it is, all stages of it, and lets the policy decide what comes next.

        Raises:
            UsageError: the policy names no arm of its own, or one that was asked already.
        """
        before = self.results
        family = self._question.family
        results, self.cut = await self._menu.run(self._arm, lambda plan, own: run(plan, [*before, *own]), family)
        said = self._menu.said(self._arm, results, family)
        if said is None or (self.cut and self._looks and said.status.failed):
            # An arm that was cut short does not undo what was answered before.
            self._rest, self._arm = tuple(results), STOP
            return
        self._looks.append(_Look(self._arm, tuple(results), said))
        self._arm = STOP if self.cut else self._next()

    def said(self) -> Result | None:
        """The final answer; None where no arm gave a result."""
        if not self._looks:
            return None
        return self._looks[self._successor.answer(self._question, self._seen())].said

    def _next(self) -> int:
        left = self._allowed - sum(in_unit(result.charged + result.lost, self._unit) for result in self.results)
        arm = self._successor.next(self._question, self._seen(), left)
        self.spent = arm != STOP and left <= 0
        return STOP if self.spent else arm

    def _seen(self) -> tuple[Seen, ...]:
        told = [None if _silent(look.said) else look.said.answer for look in self._looks]
        # Numbered in the order of coming, as in `Seen`.
        numbers = answer_numbers([told])[0].tolist()
        return tuple(
            Seen(
                look.arm,
                number,
                None if look.said.status.failed else look.said.confidence,
                look.said.abstained and not look.said.status.failed,
                look.said.status,
                sum(in_unit(result.charged + result.lost, self._unit) for result in look.results),
            )
            for look, number in zip(self._looks, numbers, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Turn:
    """A question of a batch while it is answered."""

    question: int
    """Its number."""
    arm: int
    """Asked first."""
    planned: int
    """The arm that the policy had chosen."""
    ceiling: float
    """What it may cost at most, in the unit of the cap."""
    inquiry: Inquiry


def _silent(result: Result) -> bool:
    return result.status.failed or result.abstained
