"""What the lower rooms need from a place that keeps books, without knowing the place.

`budgets.memory` keeps them in memory and `stores` in a database; a conformance suite holds both to this text.

Thread safety: every method may be called from any thread. Order: what one caller hands over is booked in the order
of its calls. Durability: when `reserve` returns, the reservation is on the books; settlements and trace rows may
follow a moment later, in order, and `flush` waits for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from .rows import (
    AccountRow,
    Balance,
    CallRow,
    FactKind,
    FactRow,
    PlanRow,
    ReplyCount,
    Reservation,
    RunRow,
    Settlement,
    SpanRow,
    StoredReply,
    StudyRow,
    TaskRow,
    TraceRow,
    TrialRow,
)

__all__ = ["FactBook", "LedgerBackend", "Recorder", "ReplyCache", "Short", "StudyStore"]


class Short(Exception):
    """A reservation did not fit; nothing was taken.

    Args:
        account_id: the account nearest the root whose limit is in the way.
        needed: what was asked, in that account's smallest unit.
        free: what it has left.
        releasable: how much of its reserved amount belongs to calls in flight and so will come back, at least in part.
        held: how much of it belongs to allowances, which come back when their runs end.
    """

    def __init__(self, account_id: str, needed: int, free: int, releasable: int, held: int) -> None:
        self.account_id = account_id
        self.needed = needed
        self.free = free
        self.releasable = releasable
        self.held = held
        super().__init__(
            f"account {account_id!r}: {needed:,} needed, {free:,} free, {releasable:,} in flight, {held:,} held"
        )


class LedgerBackend(Protocol):
    """The books of accounts and reservations.

    Invariant: on every account with a limit, charged + lost + reserved <= limit (paid + reserved <= limit where the
    account measures paid) at every moment, whatever the concurrency. Settling above the reservation is booked in
    full, never clamped, and is the only way past a limit; the caller reports it as a breach.
    """

    def open_account(self, account: AccountRow) -> None:
        """Adds an account. One that exists keeps its balance; its limit may only be raised or stay.

        Raises:
            UnknownName: the parent does not exist.
            UsageError: the account exists with another parent, unit or measure, or with a higher limit.
        """

    async def reserve(self, reservation: Reservation) -> None:
        """Takes the amount from the account and every ancestor, or from none.

        `reservation.replaces` names a held allowance that is given back in the same step.

        Raises:
            Short: it does not fit.
            UnknownName: no such account, or no such open allowance.
        """

    def mark_sent(self, reservation_id: str) -> None:
        """Notes that the call of an `unsent` reservation leaves now; it may be sent when this returns.

        From here on the call is lost if its process dies, whatever came of it. Synchronous, so that nothing comes
        between this and the sending.

        Raises:
            UnknownName: no such open reservation, so nothing may be sent under it.
        """

    def settle(self, settlement: Settlement, call: CallRow | None = None, reply: StoredReply | None = None) -> None:
        """Ends a reservation exactly once and books the call and the cached reply with it, all or nothing.

        Synchronous, so that a cancelled task can settle. A second settlement of the same reservation is ignored.
        """

    def balance(self, account_id: str) -> Balance:
        """Where the account stands, everything handed over so far included.

        Raises:
            UnknownName: no such account.
        """

    async def wait_for_release(self, account_id: str, seconds: float) -> None:
        """Returns when a reservation below the account may have been settled, or after `seconds`.

        Args:
            account_id: the account that was short.
            seconds: the longest wait.
        """


class ReplyCache(Protocol):
    """Replies by the content of their request."""

    def get(self, request_key: str) -> StoredReply | None:
        """The reply, or None."""


class Recorder(Protocol):
    """Where traces go. Rows are kept as they are; one with an id that exists replaces it."""

    def record(self, row: TraceRow) -> None:
        """Keeps a row. A task, a plan or a task's part that exists is left as it is.

        A call is recorded by itself where its reservation is on other books, such as that of a reply from the cache.
        """

    def conceal(self, secrets: Iterable[str]) -> None:
        """From now on nothing is kept with one of these in it, such as the keys of endpoints; a mark stands there."""

    def flush(self) -> None:
        """Waits until everything handed over is on the books."""


class FactBook(Recorder, Protocol):
    """What was found out about models by calling them; a fact takes the place of an older one of its kind."""

    def fact(self, subject: str, kind: FactKind) -> FactRow | None:
        """The fact of a kind about a subject, everything handed over so far included, or None."""


class StudyStore(LedgerBackend, ReplyCache, FactBook, Protocol):
    """All the books of a study in one place, so that it can be resumed and inspected."""

    @property
    def location(self) -> str:
        """Where it is, for people: a path, or "memory"."""

    @property
    def owner(self) -> str:
        """The id under which this process holds reservations."""

    def study(self, study_id: str) -> StudyRow | None:
        """The study, or None."""

    def studies(self) -> Sequence[StudyRow]:
        """All studies, newest first."""

    def trials(self, study_id: str) -> Sequence[TrialRow]:
        """The trials of a study in the order in which they began."""

    def runs(self, *, trial_id: str | None = None, limit: int | None = None) -> Sequence[RunRow]:
        """Runs, newest first, of one trial where it is named."""

    def run(self, run_id: str) -> RunRow | None:
        """The run, or None."""

    def spans(self, run_id: str) -> Sequence[SpanRow]:
        """The spans of a run, in order of their start."""

    def calls(self, run_id: str) -> Sequence[CallRow]:
        """The calls of a run, in order of their start."""

    def reply_counts(self, study_id: str) -> Sequence[ReplyCount]:
        """What came of the calls in the runs of a study's trials, cached ones included, in the order of the first.

        An attempt counts where it was the last at its request in its span; what was cancelled does not count, nor do
        runs with perfect nodes.
        """

    def plan(self, plan_hash: str) -> PlanRow | None:
        """The plan, or None."""

    def task(self, task_id: str) -> TaskRow | None:
        """The task, or None."""

    def parts(self, seed: int) -> Mapping[str, str]:
        """To which part of the dev set tasks belong in studies of a seed, by their ids."""

    def close(self) -> None:
        """Flushes and lets go of the place."""
