from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apportion.records import (
    AccountRow,
    Amount,
    CallRow,
    PlanRow,
    Reservation,
    RunRow,
    Settlement,
    SpanRow,
    StoredReply,
    StudyRow,
    TaskRow,
)
from apportion.records.rows import TraceRow
from apportion.stores import Store, open_store
from apportion.stores.keeping import TEXT_BYTES, bounded, fields_of
from apportion.stores.texts import unpack

_BODY = "Zq8Lw2Xv9Kt4Rm7Pn3Hs6Jd5Gf1Bc0Yy8Uu7Ii6Oo5"
_KEY = "sk-" + "proj-" + _BODY
_OF_AN_ENDPOINT = 'q"\\x/y+z=of.an.endpoint'


def test_long_text_is_cut_and_says_so() -> None:
    text = "é" * TEXT_BYTES
    cut = bounded(text)
    assert len(cut.encode()) <= TEXT_BYTES
    assert cut.startswith("é" * 100)
    assert cut.endswith(f"\n[cut: {2 * TEXT_BYTES} bytes, sha256 {hashlib.sha256(text.encode()).hexdigest()}]")
    assert bounded("x" * TEXT_BYTES) == "x" * TEXT_BYTES


def everything(row: Callable[..., Any], text: str) -> dict[type, Any]:
    """A row of each kind with the text wherever people or models write."""
    inside = json.dumps([{"role": "user", "content": text}], ensure_ascii=False)
    record = json.dumps({"text": text}, ensure_ascii=False)
    return {
        CallRow: row(
            CallRow,
            reservation_id="r",
            request_messages=inside,
            output_text=text,
            error=text,
            response_model=text,
            response_id=text,
            reasoning_text=text,
        ),
        StoredReply: StoredReply("key", record, Amount(1)),
        SpanRow: row(SpanRow, part=text, answer=text, reason=text, events=inside, evidence=json.dumps([text])),
        RunRow: row(RunRow, answer=text, stop_reason=text, reason=text),
        TaskRow: row(TaskRow, content=record, family=text),
        PlanRow: row(PlanRow, content=record, drawing=text),
        StudyRow: row(StudyRow, arguments=record),
    }


def keep(store: Store, rows: dict[type, Any]) -> None:
    asyncio.run(store.reserve(Reservation("r", "task", Amount(1), store.owner)))
    store.settle(Settlement("r"), rows[CallRow], rows[StoredReply])
    store.record(rows[SpanRow])
    store.record(rows[RunRow])
    store.record(rows[TaskRow])
    store.record(rows[PlanRow])
    store.record(rows[StudyRow])
    store.flush()


def texts_of(path: Path) -> Iterator[str]:
    """Every text in the database, also those in compressed columns."""
    with closing(sqlite3.connect(path)) as database:
        for (table,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            for record in database.execute(f"SELECT * FROM {table}"):
                yield from (unpack(value) if isinstance(value, bytes) else str(value) for value in record)


_OURS = re.compile(
    r".*\.(\w+_(id|hash|key|name)|kind|state|node|subject|request_model|finish_reason)|(Trial|Part)Row\.part"
)
"""Texts that this package makes, or that name what the user's own code has."""


@pytest.mark.parametrize("row_type", get_args(TraceRow))
def test_every_text_that_others_write_goes_through_here(row_type: type) -> None:
    fields, hints = fields_of(row_type), get_type_hints(row_type)
    texts = {name for name, hint in hints.items() if str in (hint, *get_args(hint))}
    looked_at = {*fields.texts, *fields.json, *fields.whole}
    assert looked_at <= texts
    others = [f"{row_type.__name__}.{name}" for name in texts - looked_at]
    assert [name for name in others if not _OURS.fullmatch(name)] == []


def test_no_key_reaches_the_disk(store: Store, path: Path, row: Callable[..., Any]) -> None:
    store.conceal([_OF_AN_ENDPOINT])
    text = f"see\n{_KEY}\nand\t{_OF_AN_ENDPOINT}\n, in JSON {json.dumps(chr(10) + _KEY)}"
    keep(store, everything(row, text))
    assert text in everything(row, text)[CallRow].output_text
    found = list(texts_of(path))
    assert sum("[redacted]" in value for value in found) >= 14
    for secret in (_BODY, _OF_AN_ENDPOINT, json.dumps(_OF_AN_ENDPOINT)[1:-1]):
        assert not [value for value in found if secret in value]
        assert not [file.name for file in path.parent.iterdir() if secret.encode() in file.read_bytes()]


any_text = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('\0\x1b\r\n\u2028\ufeff"\\'), max_size=60)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=any_text.filter(bool))
def test_all_else_is_kept_byte_for_byte(
    tmp_path_factory: pytest.TempPathFactory, row: Callable[..., Any], text: str
) -> None:
    rows = everything(row, text)
    with open_store(tmp_path_factory.mktemp("kept") / "a.db") as store:
        store.open_account(AccountRow("task"))
        keep(store, rows)
        assert store.spans("run") == [rows[SpanRow]]
        assert store.run("run") == rows[RunRow]
        assert store.task(rows[TaskRow].task_id) == rows[TaskRow]
        assert store.plan(rows[PlanRow].plan_hash) == rows[PlanRow]
        assert store.studies() == [rows[StudyRow]]
        assert store._reader.reply("key") == rows[StoredReply]
        (call,) = store.calls("run")
        assert replace(call, bound=rows[CallRow].bound) == rows[CallRow]


def test_half_a_surrogate_pair_is_marked(store: Store, row: Callable[..., Any]) -> None:
    keep(store, everything(row, "a\ud83d"))
    (call,) = store.calls("run")
    assert (call.output_text, json.loads(call.request_messages)[0]["content"]) == ("a\ufffd", "a\ufffd")


def test_a_long_call_is_kept_cut_and_its_json_is_json(path: Path, row: Callable[..., Any]) -> None:
    long = "é" * TEXT_BYTES
    messages = json.dumps([{"role": "system", "content": "short"}, {"role": "user", "content": long}])
    with open_store(path) as store:
        store.record(row(CallRow, output_text=long, request_messages=messages))
        (call,) = store.calls("run")
    first, second = json.loads(call.request_messages)
    assert first["content"] == "short"
    assert second["content"] == call.output_text == bounded(long)


def test_a_cached_reply_is_never_cut(path: Path) -> None:
    payload = json.dumps({"text": "x" * (2 * TEXT_BYTES)})
    with open_store(path) as store:
        store.open_account(AccountRow("task"))
        asyncio.run(store.reserve(Reservation("r", "task", Amount(1), store.owner)))
        store.settle(Settlement("r"), None, StoredReply("key", payload, Amount(1)))
    with open_store(path) as store:
        reply = store.get("key")
    assert reply is not None
    assert reply.payload == payload


@pytest.mark.parametrize("compress", [False, True])
def test_texts_come_back_whole_compressed_or_not(path: Path, row: Callable[..., Any], compress: bool) -> None:
    rows = everything(row, "a long story, \0 and all that " * 100)
    with open_store(path, compress=compress) as store:
        store.open_account(AccountRow("task"))
        keep(store, rows)
        assert [replace(call, bound=rows[CallRow].bound) for call in store.calls("run")] == [rows[CallRow]]
        assert store.spans("run") == [rows[SpanRow]]
        assert store._reader.reply("key") == rows[StoredReply]
    with closing(sqlite3.connect(path)) as database:
        kinds = {kind for (kind,) in database.execute("SELECT typeof(content) FROM text")}
        assert kinds == {"blob" if compress else "text"}
        assert database.execute("SELECT typeof(payload) FROM reply").fetchall() == [("blob" if compress else "text",)]
