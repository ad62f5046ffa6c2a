from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from apportion.records import SpanRow
from apportion.stores import Store, open_store, write_ahead_log

_MOST = 400_000


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_ahead_log, "_MOST_BYTES", _MOST)
    monkeypatch.setattr(write_ahead_log, "_LOOK_SECONDS", 0.0)


def log_bytes(store: Store, row: Callable[..., Any]) -> int:
    """The size of the log after more than a megabyte was written."""
    for number in range(60):
        store.record(row(SpanRow, span_id=str(number), answer="x" * 20_000))
        store.flush()
    return Path(f"{store.location}-wal").stat().st_size


@contextmanager
def readers_in_turn(path: Path) -> Iterator[None]:
    """Two who read, each longer than the other pauses."""
    stop = threading.Event()

    def read(pause: float) -> None:
        time.sleep(pause)
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)) as connection:
            while not stop.is_set():
                connection.execute("BEGIN")
                connection.execute("SELECT count(*) FROM span").fetchall()
                time.sleep(0.02)
                connection.execute("COMMIT")

    threads = [threading.Thread(target=read, args=(pause,)) for pause in (0.0, 0.01)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_log_that_nobody_reads_is_begun_anew(path: Path, row: Callable[..., Any]) -> None:
    with open_store(path) as store:
        assert log_bytes(store, row) < 2 * _MOST


def test_the_log_is_emptied_though_there_is_always_somebody_who_reads(
    path: Path, row: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_ahead_log, "_WAIT_SECONDS", (20.0, 20.0))
    with open_store(path) as store, readers_in_turn(path):
        assert log_bytes(store, row) < 2 * _MOST


def test_one_who_never_stops_reading_does_not_stop_the_writer(
    path: Path, row: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_ahead_log, "_WAIT_SECONDS", (0.01, 0.01))
    monkeypatch.setattr(write_ahead_log, "_TRY_SECONDS", 0.01)
    with open_store(path) as store, closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM span").fetchall()
        assert log_bytes(store, row) > 2 * _MOST
        assert len(store.spans("run")) == 60
