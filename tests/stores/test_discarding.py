from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from apportion.errors import StoreError
from apportion.records import (
    AccountRow,
    Amount,
    CallRow,
    FactRow,
    PartRow,
    PlanRow,
    Reservation,
    RunRow,
    Settlement,
    SpanRow,
    StoredReply,
    StudyRow,
    TaskRow,
    TrialRow,
)
from apportion.stores import open_store
from apportion.stores.discarding import discard


@pytest.fixture
def filled(path: Path, row: Callable[..., Any]) -> Path:
    """An old and a new run that share a prompt, and a call of a run that was killed; the ledger has a reservation."""
    with open_store(path) as store:
        store.open_account(AccountRow("task"))
        asyncio.run(store.reserve(Reservation("r", "task", Amount(9), store.owner)))
        store.settle(Settlement("r", charged=Amount(4)), None, StoredReply("key", '{"text":"36"}', Amount(4)))
        for name, when in (("old", 1000.0), ("new", 5000.0)):
            at = {"run_id": name, "started_at": when, "ended_at": when + 1}
            store.record(row(RunRow, task_id=f"task {name}", plan_hash=f"plan {name}", trial_id=name, **at))
            store.record(row(SpanRow, span_id=name, evidence=f'["{name} passage"]', **at))
            store.record(row(CallRow, call_id=name, output_text=f"{name} reply", **at))
            store.record(row(TaskRow, task_id=f"task {name}"))
            store.record(row(PlanRow, plan_hash=f"plan {name}"))
        store.record(row(CallRow, call_id="killed", run_id="killed", output_text="half", ended_at=1002.0))
        store.record(row(PlanRow, plan_hash="tried"))
        for kind in (TrialRow, StudyRow, FactRow, PartRow):
            store.record(row(kind, **({"plan_hash": "tried"} if kind is TrialRow else {})))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "INSERT INTO reservation (reservation_id, account_id, owner_id, kind, cached, state, opened_at, closed_at) "
            "VALUES ('before', 'task', 'gone', 'call', 0, 'settled', 1002, 1003)"
        )
        connection.execute("UPDATE reply SET stored_at = 1003")
    return path


def ids(path: Path, table: str, key: str) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {value for (value,) in connection.execute(f"SELECT {key} FROM {table}")}


def test_old_runs_go_with_all_that_hangs_on_them(filled: Path, row: Callable[..., Any]) -> None:
    went = discard(filled, 2000.0)
    assert {name: number for name, number in went.rows.items() if number} == {
        "runs": 1,
        "spans": 1,
        "calls": 2,
        "texts": 3,
        "tasks": 1,
        "plans": 1,
        "reservations": 1,
    }
    assert ids(filled, "run", "run_id") == ids(filled, "span", "span_id") == ids(filled, "call", "call_id") == {"new"}
    assert ids(filled, "plan", "plan_hash") == {"plan new", "tried"}
    with open_store(filled) as store:
        (call,), (span,) = store.calls("new"), store.spans("new")
        assert (call.request_messages, call.output_text) == (row(CallRow).request_messages, "new reply")
        assert span.evidence == '["new passage"]'
        assert store.studies() == [row(StudyRow)]
        assert store.parts(1) == {"task": "test"}
        assert store.fact("model", "breach") == row(FactRow)
        assert store.balance("task").charged == Amount(4), "what was spent stays spent"
        assert store.get("key") is not None, "nothing is paid for twice"
        store.record(row(SpanRow, span_id="again", run_id="new", evidence='["old passage"]'))
        store.flush()
        assert {span.evidence for span in store.spans("new")} == {'["new passage"]', '["old passage"]'}
    assert went.kept_replies == 1
    assert b"old reply" not in filled.read_bytes(), "its room is given back"


def test_replies_go_where_that_is_asked_for(filled: Path) -> None:
    went = discard(filled, 2000.0, replies=True)
    assert (went.rows["replies"], went.kept_replies) == (1, 0)
    with open_store(filled) as store:
        assert store.get("key") is None


def test_nothing_old_changes_nothing(filled: Path) -> None:
    assert set(discard(filled, 10.0).rows.values()) == {0}
    assert ids(filled, "run", "run_id") == {"old", "new"}


def test_a_file_in_use_is_left_alone(filled: Path) -> None:
    with open_store(filled) as store:
        with pytest.raises(StoreError, match=r"another process has .* open; close that one"):
            discard(filled, 2000.0)
        assert len(store.runs()) == 2


def test_where_there_is_no_database_none_is_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds no store"):
        discard(tmp_path / "nowhere.db", 1.0)
    assert list(tmp_path.iterdir()) == []
