"""What the store costs: `python -m benchmarks.store` from the repository's root.

Prints, each against its own yardstick measured in the same run: how long a reservation waits with 32 callers on a
durable ledger, whether eight processes on one database keep a cap, how many trace rows a second are booked compared
with sqlite3 itself, the same of calls with their prompts and replies, and what the calls that must not wait cost their
caller.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import sqlite3
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from apportion.errors import StoreError
from apportion.records import (
    AccountRow,
    Amount,
    CallRow,
    Limit,
    Reservation,
    Settlement,
    Short,
    SpanRow,
    Status,
    StoredReply,
)
from apportion.stores import Store, open_store, schema
from apportion.stores.texts import TextEncoder

BOUND = Amount(tokens=100, weighted=100, usd=100)
Figures = dict[str, float | int]


def main() -> None:
    """Runs the measurements and prints them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", help="where to make the databases; the disk of it is what is measured")
    parser.add_argument("--json", dest="json_file", help="also write the figures to this file")
    arguments = parser.parse_args()
    figures: dict[str, Figures] = {}
    measurements: Sequence[tuple[str, Callable[[Path], Figures]]] = (
        ("reserve, 32 callers, durable", reserve_with_32_callers),
        ("8 processes, one database", eight_processes),
        ("trace rows a second, groups of 100", trace_rows),
        ("calls with texts: 2 kB of prompt, five samples each", call_rows),
        ("microseconds on the caller's thread", caller_costs),
    )
    for name, measure in measurements:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            figures[name] = measure(Path(folder))
        print(name)
        for key, value in figures[name].items():
            print(f"  {key:<44} {value:,.3f}" if isinstance(value, float) else f"  {key:<44} {value:,}")
    if arguments.json_file:
        Path(arguments.json_file).write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def reserve_with_32_callers(folder: Path) -> Figures:
    """Milliseconds until a reservation is on the books, against the time the disk takes to flush."""
    flush = flush_milliseconds(folder)
    with open_store(folder / "books.db", durable=True) as store:
        open_accounts(store, "own", 10**12)
        waits = asyncio.run(callers(store, "own", 32, 100))
    # Before and after, because disks have moods.
    flush += flush_milliseconds(folder)
    p50, p99 = percentile(waits, 50), percentile(waits, 99)
    return {
        "flush p50, ms": percentile(flush, 50),
        "flush p99, ms": percentile(flush, 99),
        "reserve p50, ms": p50,
        "reserve p99, ms": p99,
        "3 flushes (p50) + 2 ms": 3 * percentile(flush, 50) + 2,
        "p99 / (3 flushes + 2 ms), to be at most 1": p99 / (3 * percentile(flush, 50) + 2),
    }


def eight_processes(folder: Path) -> Figures:
    """Eight processes with four callers each, on a cap that lets through half of what they want."""
    path = folder / "books.db"
    calls = 40
    limit = 8 * 4 * calls * BOUND.tokens // 2
    with open_store(path, durable=True) as store:
        open_accounts(store, "own", limit)
    context = multiprocessing.get_context("spawn")
    with context.Pool(8) as pool:
        outcomes = pool.starmap(one_process, [(str(path), f"own{number}", limit, calls) for number in range(8)])
    waits = [wait for found, _ in outcomes for wait in found]
    with open_store(path) as store:
        paid = store.balance("study").paid.tokens
    return {
        "errors, to be 0": sum(errors for _, errors in outcomes),
        "cap": limit,
        "paid, to be at most the cap": paid,
        "reserve p50, ms": percentile(waits, 50),
        "reserve p99, ms": percentile(waits, 99),
        "reserve longest, ms": max(waits),
    }


def one_process(path: str, account: str, limit: int, calls: int) -> tuple[list[float], int]:
    """One of eight: its waits and its errors."""
    try:
        with open_store(path, durable=True) as store:
            open_accounts(store, account, limit)
            return asyncio.run(callers(store, account, 4, calls)), 0
    except StoreError as error:
        print(error)
        return [0.0], 1


def trace_rows(folder: Path) -> Figures:
    """Spans handed over one by one, against tuples of the same columns given to sqlite3, 100 rows a transaction."""
    count, group = 20_000, 100
    spans = [span(number) for number in range(count)]
    encoded = [schema.SPAN.values(row, TextEncoder()) for row in spans]
    raw, core, whole = [], [], []
    for number in range(3):
        with open_store(folder / f"raw{number}.db"):
            pass
        raw.append(count / raw_seconds(folder / f"raw{number}.db", encoded, group))
        with open_store(folder / f"core{number}.db"):
            pass
        core.append(count / core_seconds(folder / f"core{number}.db", encoded, group))
        with open_store(folder / f"store{number}.db") as store:
            began = time.perf_counter()
            for row in spans:
                store.record(row)
            store.flush()
            whole.append(count / (time.perf_counter() - began))
    return {
        "sqlite3": statistics.median(raw),
        "SQLAlchemy Core, rows already encoded": statistics.median(core),
        "Core / sqlite3, to be at least 0.85": statistics.median(core) / statistics.median(raw),
        "record_span to the books, groups of 256": statistics.median(whole),
        "record_span / sqlite3": statistics.median(whole) / statistics.median(raw),
    }


def call_rows(folder: Path) -> Figures:
    """Calls handed over one by one, against sqlite3 given their texts in one table, 100 rows a transaction."""
    count, group = 4_000, 100
    rows = [call(number) for number in range(count)]
    flat = [(row.call_id, row.run_id, row.request_model, row.request_messages, row.output_text) for row in rows]
    figures: Figures = {}
    began = time.perf_counter()
    with closing(sqlite3.connect(folder / "flat.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("CREATE TABLE call (call_id TEXT PRIMARY KEY, run_id TEXT, model TEXT, p TEXT, r TEXT)")
        for start in range(0, count, group):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO call VALUES (?, ?, ?, ?, ?)", flat[start : start + group])
            connection.execute("COMMIT")
    figures["sqlite3, five columns"] = count / (time.perf_counter() - began)
    for name, compress in (("as text", False), ("compressed", True)):
        place = folder / f"{name}.db"
        began = time.perf_counter()
        with open_store(place, compress=compress) as store:
            for row in rows:
                store.record(row)
        figures[f"record_call, {name}"] = count / (time.perf_counter() - began)
        figures[f"MB, {name}"] = place.stat().st_size / 1e6
    figures["MB, sqlite3"] = (folder / "flat.db").stat().st_size / 1e6
    return figures


def raw_seconds(path: Path, rows: list[tuple[Any, ...]], group: int) -> float:
    """sqlite3 alone."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = NORMAL")
    statement = schema.SPAN.insert
    began = time.perf_counter()
    for start in range(0, len(rows), group):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(statement, rows[start : start + group])
        connection.execute("COMMIT")
    seconds = time.perf_counter() - began
    connection.close()
    return seconds


def core_seconds(path: Path, rows: list[tuple[Any, ...]], group: int) -> float:
    """The writer's way through SQLAlchemy."""
    from apportion.stores.database import driver, writing_engine

    statement = schema.SPAN.insert
    with writing_engine(path).connect() as connection:
        driver(connection).execute("PRAGMA synchronous = NORMAL")
        began = time.perf_counter()
        for start in range(0, len(rows), group):
            with connection.begin():
                connection.exec_driver_sql(statement, rows[start : start + group])
        return time.perf_counter() - began


def caller_costs(folder: Path) -> Figures:
    """What the calls cost that happen at every node."""
    count = 5_000
    with open_store(folder / "books.db", durable=True) as store:
        open_accounts(store, "own", 10**12)
        spans = [span(number) for number in range(count)]
        replies = [StoredReply(f"{number:064x}", "{}" * 50, BOUND) for number in range(count)]
        figures: Figures = {"record_span": microseconds(store.record, spans)}
        store.flush()
        names = asyncio.run(reserve_many(store, count))
        ends = [(Settlement(name, charged=BOUND), None, reply) for name, reply in zip(names, replies, strict=True)]
        figures["settle with a reply"] = microseconds(lambda end: store.settle(*end), ends)
        store.flush()
        keys = [reply.request_key for reply in replies]
        figures["get, in memory"] = microseconds(store.get, keys)
        figures["get, missing"] = microseconds(store.get, [f"f{number:063x}" for number in range(count)])
        figures["open_account"] = microseconds(
            store.open_account, [AccountRow(f"task{number}", "study") for number in range(count)]
        )
        store.flush()
        figures["balance, nothing pending"] = microseconds(store.balance, ["study"] * count)
    with open_store(folder / "books.db") as store:
        figures["get, from the file"] = microseconds(store.get, keys)
    return figures


async def reserve_many(store: Store, count: int) -> list[str]:
    """Reservations, all at once."""
    names = [uuid.uuid4().hex for _ in range(count)]
    await asyncio.gather(*(store.reserve(Reservation(name, "own", BOUND, store.owner)) for name in names))
    return names


async def callers(store: Store, account: str, count: int, calls: int) -> list[float]:
    """Milliseconds that each reservation took, with `count` callers at once that also settle."""
    waits: list[float] = []

    async def caller() -> None:
        for _ in range(calls):
            name = uuid.uuid4().hex
            began = time.perf_counter()
            try:
                await store.reserve(Reservation(name, account, BOUND, store.owner))
            except Short:
                continue
            finally:
                waits.append(1e3 * (time.perf_counter() - began))
            store.settle(Settlement(name, charged=BOUND))

    await asyncio.gather(*(caller() for _ in range(count)))
    return waits


def open_accounts(store: Store, account: str, limit: int) -> None:
    """A study with a cap and an account below it."""
    store.open_account(AccountRow("study", None, Limit("tokens", limit), "paid"))
    store.open_account(AccountRow(account, "study"))


def span(number: int) -> SpanRow:
    """A span as a node makes it."""
    answer = f"the answer to sub-question {number} is {number * 7}"
    moment = 1.7e9 + number
    return SpanRow(
        uuid.uuid4().hex, f"run{number // 8}", "solve", "solver", 0, "", moment, moment + 1, Status.OK, BOUND, Amount(),
        answer, "", "[]",
    )  # fmt: skip


def call(number: int) -> CallRow:
    """A call as a run makes it: a question in five samples, under instructions that many share."""
    question = " ".join(f"word{number // 5 * 31 % 997 + place}" for place in range(100))
    reply = " ".join(f"said{number * 17 % 9973 + place}" for place in range(60))
    prompt = [{"role": "system", "content": "Think before you answer. " * 45}, {"role": "user", "content": question}]
    moment = 1.7e9 + number
    return CallRow(
        uuid.uuid4().hex, f"run{number // 8}", f"span{number}", f"reservation{number}", 1, f"{number:064x}", "chat",
        "openai", "small", 256, 0.7, None, number % 5, json.dumps(prompt), moment, moment + 1, Status.OK, BOUND,
        output_text=reply,
    )  # fmt: skip


def flush_milliseconds(folder: Path) -> list[float]:
    """How long the disk takes to flush a page that was appended."""
    waits = []
    descriptor = os.open(folder / "flush", os.O_WRONLY | os.O_CREAT)
    for _ in range(200):
        os.write(descriptor, b"x" * 4096)
        began = time.perf_counter()
        os.fdatasync(descriptor)
        waits.append(1e3 * (time.perf_counter() - began))
    os.close(descriptor)
    return waits


def microseconds(call: Callable[[Any], object], arguments: Sequence[Any]) -> float:
    """The mean time of a call."""
    began = time.perf_counter()
    for argument in arguments:
        call(argument)
    return 1e6 * (time.perf_counter() - began) / len(arguments)


def percentile(values: Sequence[float], share: int) -> float:
    """The value below which `share` percent lie."""
    return statistics.quantiles(values, n=100)[share - 1]


if __name__ == "__main__":
    main()
