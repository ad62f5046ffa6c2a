from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from apportion.records import Amount, CallRow, Reservation, RunRow, Settlement, SpanRow, Status, TrialRow
from apportion.stores import Store


@pytest.fixture
def ask(store: Store, path: Path, row: Callable[..., Any]) -> Callable[[str], list[tuple[Any, ...]]]:
    """Two runs: in the first, two spans of one node with a fresh and a cached call; the second failed."""
    asyncio.run(store.reserve(Reservation("r", "task", Amount(90), store.owner)))
    charged, none = Amount(40, 80, 2_000_000_000), Amount()
    store.settle(Settlement("r", charged=charged), row(CallRow, reservation_id="r", charged=charged))
    store.record(row(CallRow, call_id="cached", span_id="span2", charged=charged, cached=True))
    store.record(row(SpanRow, charged=charged, lost=none))
    store.record(row(SpanRow, span_id="span2", charged=charged, lost=none))
    store.record(row(SpanRow, span_id="span3", node="merge", kind="merger", charged=none, lost=none))
    store.record(row(RunRow, charged=Amount(80, 160, 4_000_000_000), lost=none))
    lost = {"outcome": Status.TIMEOUT, "error": "too late", "charged": none, "lost": Amount(90)}
    store.record(row(CallRow, call_id="lost", run_id="bad", span_id="bad1", usage=None, **lost))
    store.record(row(SpanRow, span_id="bad1", run_id="bad", status=Status.TIMEOUT, reason="no reply"))
    bad = {"status": Status.TIMEOUT, "stop_reason": "complete", "reason": "no reply", "lost": Amount(90)}
    store.record(row(RunRow, run_id="bad", trial_id="headroom/study", **bad))
    store.record(row(TrialRow))
    store.flush()

    def ask(question: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(path)) as connection:
            return connection.execute(question).fetchall()

    return ask


def test_tokens_per_node(ask: Callable[[str], list[tuple[Any, ...]]]) -> None:
    assert ask(
        "SELECT node, spans, calls, cached_calls, input_tokens, output_tokens, charged_tokens, lost_tokens, usd "
        "FROM tokens_per_node WHERE run_id = 'run' ORDER BY node"
    ) == [("merge", 1, 0, 0, 0, 0, 0, 0, 0.0), ("solve", 2, 2, 1, 60, 20, 80, 0, 4.0)]


def test_cost_per_run(ask: Callable[[str], list[tuple[Any, ...]]]) -> None:
    assert ask(
        "SELECT run_id, part, calls, charged_tokens, lost_tokens, paid_tokens, charged_usd, paid_usd, seconds "
        "FROM cost_per_run ORDER BY run_id DESC"
    ) == [("run", "fit", 2, 80, 0, 40, 4.0, 2.0, 5.0), ("bad", "headroom", 1, 40, 90, 90, 1.2e-7, 0.0, 5.0)]


def test_failures(ask: Callable[[str], list[tuple[Any, ...]]]) -> None:
    assert ask("SELECT what, id, status, name, reason FROM failures ORDER BY what") == [
        ("call", "lost", "timeout", "small", "too late"),
        ("run", "bad", "timeout", "task", "no reply"),
        ("span", "bad1", "timeout", "solve", "no reply"),
    ]


def test_spend(ask: Callable[[str], list[tuple[Any, ...]]]) -> None:
    assert ask("SELECT account_id, used, free, paid_tokens, charged_usd FROM spend ORDER BY account_id") == [
        ("study", 40, 960, 40, 2.0),
        ("task", None, None, 40, 2.0),
    ]
