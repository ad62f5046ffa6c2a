"""What is read back of traces: counts of replies, and rows that are damaged."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from apportion.budgets.books import MemoryStore
from apportion.errors import StoreError
from apportion.records import (
    CallRow,
    RunRow,
    SpanRow,
    Status,
    StudyStore,
    TrialRow,
)
from apportion.stores import Store

from .test_store import Row


def test_replies_are_counted_alike_in_memory_and_in_a_file(store: Store, row: Row) -> None:
    both: list[StudyStore] = [MemoryStore(), store]
    trials = [row(TrialRow), row(TrialRow, trial_id="other", study_id="another")]
    runs = [row(RunRow), row(RunRow, run_id="elsewhere", trial_id="other"), row(RunRow, run_id="loose", trial_id=None)]
    spans = [row(SpanRow, span_id=f"of {run.run_id}", run_id=run.run_id) for run in runs]
    failed = {"outcome": Status.PROVIDER_ERROR, "finish_reason": ""}
    told: list[dict[str, Any]] = [
        {"outcome": Status.OK, "usage": None},
        {"outcome": Status.PARSE_ERROR, "cached": True},
        {"outcome": Status.PARSE_ERROR},
        {"outcome": Status.CANCELLED, "finish_reason": ""},
        {"request_key": "tried again", **failed},
        {"request_key": "tried again", "attempt": 2},
        {"request_key": "given up", **failed},
        {"request_key": "given up", "attempt": 2, **failed},
        {"request_model": "large"},
    ]
    calls = [
        row(CallRow, call_id=f"{run.run_id} {number}", run_id=run.run_id, span_id=f"of {run.run_id}", **fields)
        for run in runs
        for number, fields in enumerate(told)
    ]
    for books in both:
        for each in (*trials, *runs, *spans, *calls):
            books.record(each)
        counts = books.reply_counts("study")
        assert [(count.model, count.outcome, count.replies, count.call_id) for count in counts] == [
            ("small", Status.OK, 2, "run 0"),
            ("small", Status.PARSE_ERROR, 2, "run 1"),
            ("small", Status.PROVIDER_ERROR, 1, "run 7"),
            ("large", Status.OK, 1, "run 8"),
        ]
        assert {(count.plan_hash, count.node, count.kind, count.run_id) for count in counts} == {
            (runs[0].plan_hash, spans[0].node, spans[0].kind, "run")
        }
        used = {"small ok": (10, 4), "small parse_error": (20, 8), "small provider_error": (10, 4), "large ok": (10, 4)}
        found = {f"{c.model} {c.outcome.value}": (c.output_tokens, c.reasoning_tokens) for c in counts}
        assert found == used, "of calls with usage, hidden reasoning beside all output"
        assert books.reply_counts("nothing") == []


def test_a_damaged_outcome_names_its_row(store: Store, path: Path, row: Row) -> None:
    for each in (row(TrialRow), row(RunRow), row(SpanRow), row(CallRow)):
        store.record(each)
    store.flush()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE call SET outcome = 'odd'")
    with pytest.raises(StoreError, match="table 'call' with call_id 'call' is damaged"):
        store.reply_counts("study")
