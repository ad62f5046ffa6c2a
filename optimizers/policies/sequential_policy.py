"""Policies that decide after looking: which arm first, and after each answer whether to stop or what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Protocol

from ...errors import UsageError
from ...records.status import Status
from ..tables.table import Arm, Question
from .base import ArmPolicy

__all__ = ["STOP", "Seen", "SequentialPolicy", "Successor", "plurality"]

STOP = -2
"""In place of an arm's number: the policy has seen enough of a question."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one arm came to on a question."""

    arm: int
    """The number of the arm among `ArmPolicy.arms`."""
    answer: int
    """Equal numbers are one answer; they count from 0 in the order in which the answers came. -1 where none is
    known."""
    confidence: float | None
    """In [0, 1]; None where the arm did not say."""
    abstained: bool
    """Whether the reply says that it has no answer."""
    status: Status
    """A failed one has no answer."""
    cost: float
    """Charged and lost, in the unit of the tables."""

    @property
    def answered(self) -> bool:
        """Whether there is an answer, and no abstention."""
        return not self.status.failed and not self.abstained


class SequentialPolicy(ArmPolicy, Protocol):
    """Chooses the first arm of every question under a budget, and the next ones one look at a time.

    `assign` gives for each question the first arm, and what the whole sequence costs: `expected` is its mean, `high`
    its worst case. A policy is asked for the next arm when an arm has ended and is paid for, never while one runs. It
    depends on its arguments only, as every policy does, so a batch is decided alike whichever question ends first.

    A question ends where the policy stops, where it has spent its `high`, where every arm was asked, or where a cap has
    no room for the next arm; what was seen by then is answered from.
    """

    def next(self, question: Question, seen: tuple[Seen, ...], left: float) -> int:
        """The arm to ask next, or `STOP`.

        Args:
            question: as `assign` saw it.
            seen: of this question so far, at least one.
            left: what may still be spent on the question, in the unit of the tables: the rest of its `high`, or less
                where a cap allows less; 0 or below where all of it is spent.

        Returns:
            The number of an arm that was not asked on this question yet, or `STOP`.
        """

    def answer(self, question: Question, seen: tuple[Seen, ...]) -> int:
        """Which of what was seen is the final answer, a place in `seen`; `plurality` where a policy does not say."""
        return plurality(seen)

    def follows(self, arm: int) -> tuple[int, ...]:
        """The arms that may come after a first arm, for upper bounds; all where a policy does not say."""
        return tuple(number for number in range(len(self.arms)) if number != arm)


def plurality(seen: Sequence[Seen]) -> int:
    """The most frequent answer, of equals the most confident, of equals the last; abstentions where nothing else is.

    Returns:
        A place in `seen`.
    """
    votes = [_votes(seen, place) for place in range(len(seen))]
    worth = [
        (one.answered, number, -1.0 if one.confidence is None else one.confidence, not one.status.failed)
        for one, number in zip(seen, votes, strict=True)
    ]
    # Of those that gave no answer confidence says nothing: an abstention stands before a failure, then the last does.
    keys = [key if key[0] else (False, 0, -1.0, key[3]) for key in worth]
    return max(range(len(seen)), key=lambda place: (keys[place], place))


def _votes(seen: Sequence[Seen], place: int) -> int:
    own = seen[place]
    if not own.answered:
        return 0
    same = sum(other.answered and other.answer == own.answer for other in seen)
    return same if own.answer >= 0 else 1


class Successor:
    """Any policy as one that decides after looking: one that does not stops after its first arm. Answers are checked.

    Args:
        policy: sequential or not.
    """

    def __init__(self, policy: ArmPolicy) -> None:
        self._policy: Any = policy
        self._arms: tuple[Arm, ...] = policy.arms
        self.sequential = callable(getattr(policy, "next", None))

    def next(self, question: Question, seen: tuple[Seen, ...], left: float) -> int:
        """See `SequentialPolicy.next`; `STOP` where no arm is left to ask.

        Raises:
            UsageError: what the policy says is no arm of its own, or one that was asked already.
        """
        if not self.sequential or len(seen) >= len(self._arms):
            return STOP
        found = self._policy.next(question, seen, left)
        if not _whole(found) or not (found == STOP or 0 <= found < len(self._arms)):
            raise UsageError(
                f"policy {self._policy.name!r}: next() returned {found!r} for question {question.name!r}; it must be "
                f"the number of one of its arms, 0 to {len(self._arms) - 1}, or STOP"
            )
        arm = int(found)
        if arm != STOP and any(_run(self._arms[one.arm]) == _run(self._arms[arm]) for one in seen):
            raise UsageError(
                f"policy {self._policy.name!r}: next() returned arm {self._arms[arm].name!r} for question "
                f"{question.name!r}, which was asked already and would say the same; return another arm, or STOP"
            )
        return arm

    def answer(self, question: Question, seen: tuple[Seen, ...]) -> int:
        """See `SequentialPolicy.answer`.

        Raises:
            UsageError: what the policy says is no place in what was seen.
        """
        if len(seen) == 1:
            return 0
        choose = getattr(self._policy, "answer", None)
        found = choose(question, seen) if callable(choose) else plurality(seen)
        if not _whole(found) or not 0 <= found < len(seen):
            raise UsageError(
                f"policy {self._policy.name!r}: answer() returned {found!r} for question {question.name!r}; it must be "
                f"a place in what was seen, 0 to {len(seen) - 1}"
            )
        return int(found)

    def follows(self, arm: int) -> tuple[int, ...]:
        """See `SequentialPolicy.follows`; none where the policy decides once.

        Raises:
            UsageError: what the policy says are no arms of its own.
        """
        if not self.sequential:
            return ()
        say = getattr(self._policy, "follows", None)
        found = say(arm) if callable(say) else tuple(other for other in range(len(self._arms)) if other != arm)
        if not all(_whole(other) and 0 <= other < len(self._arms) for other in found):
            raise UsageError(
                f"policy {self._policy.name!r}: follows({arm}) returned {found!r}; it must be numbers of its arms, "
                f"0 to {len(self._arms) - 1}"
            )
        return tuple(map(int, found))


def _whole(found: object) -> bool:
    return isinstance(found, Integral) and not isinstance(found, bool)


def _run(arm: Arm) -> tuple[str, ...]:
    """What an arm runs: a list of one stage is the arm that it names."""
    return tuple(stage.arm for stage in arm.stages) or (arm.name,)
