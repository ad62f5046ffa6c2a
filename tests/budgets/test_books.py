from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from apportion.budgets.books import MemoryStore
from apportion.records import (
    AccountRow,
    Amount,
    FactRow,
    LedgerBackend,
    PlanRow,
    Reservation,
    Settlement,
    StoredReply,
    StudyRow,
    StudyStore,
    TaskRow,
    TrialRow,
)
from apportion.testing.ledger import LedgerConformance


class TestMemoryStore(LedgerConformance):
    @contextmanager
    def open_ledger(self, folder: Path) -> Iterator[LedgerBackend]:
        yield MemoryStore()


def reserved(store: StudyStore, name: str) -> None:
    store.open_account(AccountRow("a"))
    asyncio.run(store.reserve(Reservation(name, "a", Amount(tokens=5), store.owner)))


def test_a_reply_is_kept_with_its_settlement_and_not_twice() -> None:
    store = MemoryStore()
    reserved(store, "r")
    store.settle(Settlement("r", charged=Amount(tokens=3)), reply=StoredReply("key", "first", Amount(tokens=3)))
    store.settle(Settlement("r"), reply=StoredReply("other", "late", Amount()))
    assert store.get("key") == StoredReply("key", "first", Amount(tokens=3))
    assert store.get("other") is None


def test_studies_come_newest_first_and_are_replaced() -> None:
    store = MemoryStore()
    for name, created in (("old", 1.0), ("new", 2.0)):
        store.record(StudyRow(name, "g", "a", "{}", created, "running"))
    store.record(StudyRow("old", "g", "a", "{}", 1.0, "complete"))
    assert [(row.study_id, row.state) for row in store.studies()] == [("new", "running"), ("old", "complete")]
    assert store.study("nowhere") is None


def test_facts_are_replaced_and_apart_by_kind() -> None:
    store = MemoryStore()
    for content in ("1", "2"):
        store.record(FactRow("m", "breach", content, 1.0))
    assert store.fact("m", "breach") == FactRow("m", "breach", "2", 1.0)
    assert (store.fact("m", "probe"), store.fact("n", "breach")) == (None, None)


def test_trials_stay_in_the_order_in_which_they_began() -> None:
    store = MemoryStore()
    for name in ("b", "a"):
        store.record(TrialRow(name, "s", "p", "fit", 0, 1, 0.0, 0.0, Amount(), Amount(), "running"))
    store.record(TrialRow("b", "s", "p", "fit", 0, 1, 1.0, 1.0, Amount(), Amount(), "complete"))
    assert [(row.trial_id, row.state) for row in store.trials("s")] == [("b", "complete"), ("a", "running")]


def test_plans_and_tasks_are_left_as_they_are() -> None:
    store = MemoryStore()
    for drawing in ("first", "second"):
        store.record(PlanRow("p", "g", "{}", drawing))
        store.record(TaskRow("t", drawing, "{}"))
    plan, task = store.plan("p"), store.task("t")
    assert plan is not None
    assert task is not None
    assert (plan.drawing, task.family) == ("first", "first")
