from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from apportion.budgets.ledger import Ledger
from apportion.errors import StoreError, UsageError
from apportion.records import (
    AccountRow,
    Amount,
    Balance,
    CallRow,
    FactRow,
    LedgerBackend,
    Limit,
    PartRow,
    PlanRow,
    Reservation,
    RunRow,
    Settlement,
    Short,
    SpanRow,
    StoredReply,
    StudyRow,
    StudyStore,
    TaskRow,
    TrialRow,
)
from apportion.stores import Store, open_store
from apportion.testing.ledger import LedgerConformance

Row = Callable[..., Any]


class TestLedger(LedgerConformance):
    @contextmanager
    def open_ledger(self, folder: Path) -> Iterator[LedgerBackend]:
        with open_store(folder / "books.db", durable=True) as store:
            yield store


def reserve(store: Store, name: str, tokens: int = 10, **more: Any) -> None:
    asyncio.run(store.reserve(Reservation(name, "task", Amount(tokens=tokens), store.owner, **more)))


def test_it_is_a_study_store(store: Store, path: Path) -> None:
    books: StudyStore = store
    assert books.location == str(path)
    assert books.owner


def test_rows_come_back_as_they_were_and_survive_closing(store: Store, path: Path, row: Row) -> None:
    reserve(store, "reservation", 90)
    store.settle(Settlement("reservation", charged=row(CallRow).charged), row(CallRow))
    store.record(row(CallRow, call_id="cached", cached=True, usage=None, request_seed=None, started_at=200.0))
    store.record(row(SpanRow))
    store.record(row(SpanRow, span_id="later", started_at=100.0, events="[]"))
    store.record(row(RunRow))
    store.record(row(TaskRow))
    store.record(row(PlanRow))
    store.record(row(TrialRow))
    store.record(row(StudyRow))
    store.record(row(FactRow))
    store.record(row(PartRow))

    def check(books: Store) -> None:
        cached = row(CallRow, call_id="cached", cached=True, usage=None, request_seed=None, started_at=200.0)
        assert books.calls("run") == [row(CallRow), cached]
        assert books.spans("run") == [row(SpanRow), row(SpanRow, span_id="later", started_at=100.0, events="[]")]
        assert books.runs() == [row(RunRow)]
        assert books.run("run") == row(RunRow)
        assert books.task("task") == row(TaskRow)
        assert books.plan("plan") == row(PlanRow)
        assert books.trials("study") == [row(TrialRow)]
        assert books.study("study") == row(StudyRow)
        assert books.studies() == [row(StudyRow)]
        assert books.fact("model", "breach") == row(FactRow)
        assert (books.fact("model", "probe"), books.fact("x", "breach")) == (None, None)
        assert (books.parts(1), books.parts(2)) == ({"task": "test"}, {})
        assert (books.run("x"), books.task("x"), books.plan("x"), books.study("x")) == (None,) * 4

    check(store)
    store.close()
    with open_store(path, read_only=True) as again:
        check(again)


def test_rows_are_replaced_in_place_except_tasks_and_plans(store: Store, row: Row) -> None:
    for trial_id in ("one", "two", "one"):
        store.record(row(TrialRow, trial_id=trial_id, score=0.25))
    store.record(row(RunRow))
    store.record(row(RunRow, score=0.0, answer="35"))
    store.record(row(TaskRow))
    store.record(row(TaskRow, content="other"))
    store.record(row(PlanRow))
    store.record(row(PlanRow, content="other"))
    assert [trial.trial_id for trial in store.trials("study")] == ["one", "two"]
    assert store.runs() == [row(RunRow, score=0.0, answer="35")]
    assert store.task("task") == row(TaskRow)
    assert store.plan("plan") == row(PlanRow)
    store.record(row(FactRow))
    store.record(row(FactRow, content="", found_at=12.0))
    store.record(row(PartRow))
    store.record(row(PartRow, part="fit"))
    assert store.parts(1) == {"task": "test"}
    assert store.fact("model", "breach") == row(FactRow, content="", found_at=12.0)


def test_runs_are_newest_first_and_can_be_narrowed(store: Store, row: Row) -> None:
    for number in range(5):
        store.record(row(RunRow, run_id=f"run{number}", started_at=number, trial_id=f"trial{number % 2}"))
    assert [run.run_id for run in store.runs(limit=2)] == ["run4", "run3"]
    assert [run.run_id for run in store.runs(trial_id="trial0")] == ["run4", "run2", "run0"]


def test_a_reply_is_found_before_it_is_booked_and_after_reopening(store: Store, path: Path) -> None:
    reply = StoredReply("key", '{"text":"' + "long " * 200 + '"}', Amount(1, 2, 3))
    reserve(store, "r")
    store.settle(Settlement("r", charged=reply.charged), None, reply)
    assert store.get("key") is reply
    assert store.get("other") is None
    store.close()
    with open_store(path) as again:
        assert again.get("key") == reply
        assert again.get("key") is again.get("key")


def test_the_second_settlement_books_neither_call_nor_reply(store: Store, row: Row) -> None:
    reserve(store, "r")
    store.settle(Settlement("r", lost=Amount(10)))
    store.settle(Settlement("r"), row(CallRow), StoredReply("key", "{}", Amount(1)))
    store.flush()
    assert store.calls("run") == []
    assert store.get("key") is None
    assert store.balance("task").lost == Amount(10)


def test_settling_what_was_never_reserved_is_told(store: Store) -> None:
    store.settle(Settlement("nothing", charged=Amount(5)))
    with pytest.raises(StoreError, match="'nothing'"):
        store.flush()
    store.flush()
    assert store.balance("task") == Balance()


def test_giving_up_while_nothing_was_taken_is_no_fault(store: Store) -> None:
    ledger = Ledger(store, store.owner)

    async def story() -> None:
        held = await ledger.reserve("study", Amount(1000))
        for turns in range(6):
            waiting = asyncio.create_task(ledger.reserve("task", Amount(10)))
            for _ in range(turns):
                await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait({waiting})
        ledger.release(held)

    asyncio.run(story())
    store.flush()
    assert store.balance("study") == Balance()


@pytest.mark.parametrize(
    ("charged", "changes"),
    [(Amount(3), {"request_key": "\udfff"}), (Amount(3), {"error": None}), (Amount(2**70), {})],
)
def test_a_settlement_that_cannot_be_written_loses_its_reservation_and_is_told(
    store: Store, row: Row, charged: Amount, changes: dict[str, Any]
) -> None:
    reserve(store, "r")
    store.settle(Settlement("r", charged=charged), row(CallRow, **changes), StoredReply("key", "{}", Amount(3)))
    with pytest.raises(StoreError, match="Settle cannot be booked"):
        store.flush()
    assert store.balance("study") == Balance(lost=Amount(10), paid=Amount(10))
    assert store.get("key") is None
    assert store.calls("run") == []
    store.flush()


def test_a_reservation_cannot_be_taken_twice(store: Store) -> None:
    reserve(store, "r")
    with pytest.raises(UsageError):
        reserve(store, "r")
    assert store.balance("task").reserved == Amount(10)


def test_a_settlement_between_being_short_and_waiting_is_not_missed(store: Store) -> None:
    async def wait() -> None:
        await store.reserve(Reservation("r", "task", Amount(1000), store.owner))
        with pytest.raises(Short):
            await store.reserve(Reservation("s", "task", Amount(1), store.owner))
        store.settle(Settlement("r"))
        store.flush()
        await asyncio.wait_for(store.wait_for_release("study", 60), 30)

    asyncio.run(wait())


def test_waiting_sees_another_process(store: Store, path: Path) -> None:
    async def wait() -> None:
        await store.reserve(Reservation("r", "task", Amount(1000), store.owner))
        with pytest.raises(Short):
            await store.reserve(Reservation("s", "task", Amount(1), store.owner))
        waiting = asyncio.create_task(store.wait_for_release("study", 60))
        await asyncio.sleep(0.01)
        with open_store(path) as other:
            other.settle(Settlement("r"))
            other.flush()
            await asyncio.wait_for(waiting, 30)

    asyncio.run(wait())


def test_many_threads_share_one_store(store: Store, row: Row) -> None:
    def work(number: int) -> None:
        for count in range(20):
            name = f"{number}-{count}"
            reserve(store, name, 1)
            store.settle(Settlement(name, charged=Amount(1)), row(CallRow, call_id=name, run_id=str(number)))
            assert store.get("missing") is None
        assert len(store.calls(str(number))) == 20

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.balance("study") == Balance(charged=Amount(120), paid=Amount(120))


def test_closing_charges_what_is_still_held(store: Store, path: Path) -> None:
    reserve(store, "r", 30)
    store.close()
    store.close()
    with open_store(path, read_only=True) as again:
        assert again.balance("study") == Balance(lost=Amount(30), paid=Amount(30))


def test_a_closed_store_says_so(store: Store, row: Row) -> None:
    store.close()
    uses: list[Callable[[], object]] = [
        lambda: store.record(row(SpanRow)),
        lambda: store.balance("task"),
        lambda: store.runs(),
        lambda: store.get("key"),
        lambda: reserve(store, "r"),
    ]
    for use in uses:
        with pytest.raises(StoreError, match="closed"):
            use()


def test_nothing_can_be_written_when_opened_for_reading(store: Store, path: Path, row: Row) -> None:
    with open_store(path, read_only=True) as reader:
        assert reader.read_only_reason
        uses: list[Callable[[], object]] = [
            lambda: reader.record(row(RunRow)),
            lambda: reader.open_account(AccountRow("x")),
            lambda: reserve(reader, "r"),
            lambda: reader.settle(Settlement("r")),
        ]
        for use in uses:
            with pytest.raises(StoreError, match="reading only"):
                use()
        store.record(row(RunRow))
        store.flush()
        assert reader.runs() == [row(RunRow)]


def test_reading_does_not_wait_for_a_writer(store: Store, path: Path, row: Row) -> None:
    store.record(row(RunRow))
    store.flush()
    with open_store(path, read_only=True) as reader, store._writer._connection.begin():  # type: ignore[union-attr]
        assert reader.runs() == [row(RunRow)]
        assert store.get("key") is None


def test_what_was_handed_over_is_booked_when_the_program_ends_without_closing(tmp_path: Path) -> None:
    run_python(
        """
        from apportion.records import TaskRow
        from apportion.stores import open_store
        store = open_store("books.db")
        store.record(TaskRow("task", "family", "{}"))
        """,
        tmp_path,
    )
    with open_store(tmp_path / "books.db", read_only=True) as store:
        assert store.task("task") == TaskRow("task", "family", "{}")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_forked_process_cannot_use_its_parents_store(tmp_path: Path) -> None:
    told = run_python(
        """
        import os
        from apportion.errors import StoreError
        from apportion.records import TaskRow
        from apportion.stores import open_store
        with open_store("books.db") as store:
            if os.fork() == 0:
                for use in (lambda: store.record(TaskRow("a", "b", "c")), lambda: store.runs()):
                    try:
                        use()
                    except StoreError as error:
                        print(error, flush=True)
                store.close()
                os._exit(0)
            os.wait()
            store.record(TaskRow("task", "family", "{}"))
        """,
        tmp_path,
    )
    assert told.count("forked") == 2
    with open_store(tmp_path / "books.db", read_only=True) as store:
        assert store.task("task") is not None


def run_python(program: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_limit_is_kept_when_an_account_is_opened_before_the_first_was_booked(store: Store) -> None:
    store.open_account(AccountRow("x", "study", Limit("tokens", 5)))
    with pytest.raises(UsageError, match="'x'"):
        store.open_account(AccountRow("x", "study", Limit("tokens", 4)))
    store.open_account(AccountRow("x", "study", Limit("tokens", 6)))
    store.flush()
