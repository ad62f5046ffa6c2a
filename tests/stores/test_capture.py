from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from apportion.errors import UsageError
from apportion.graphs.graph import Graph
from apportion.models.card import ModelCard
from apportion.models.pool import Pool
from apportion.nodes.solver import Solver
from apportion.records import (
    AccountRow,
    Amount,
    CallRow,
    Reservation,
    RunRow,
    Settlement,
    SpanRow,
    Status,
    StoredReply,
    TaskRow,
)
from apportion.records.rows import ABSTAINED, TraceRow
from apportion.stores import open_store
from apportion.stores.capture import Capture, withheld
from apportion.testing.scripted import ScriptedModel

GATE = {"event": "gate", "source": "solve", "signal": "confidence", "value": 0.25, "open": True}
EVENTS = json.dumps([GATE, {"event": "query", "query": "a secret query", "passages": 2, "hits": ["a secret"]}])
SECRETS: dict[type, dict[str, str]] = {
    CallRow: {
        "request_messages": '["a secret plan"]',
        "output_text": "a secret reply",
        "reasoning_text": "a secret thought",
        "error": f"{ABSTAINED}: a secret",
    },
    SpanRow: {"part": "a secret part", "answer": "a secret reply", "reason": "secret", "evidence": '["a secret"]'}
    | {"events": EVENTS},
    RunRow: {"answer": "a secret reply", "reason": "not secret"},
    TaskRow: {"content": '{"question":"a secret question","gold":"a secret","metadata":{"of":"secret"}}'},
}


@pytest.mark.parametrize("capture", ["hash", "none"])
def test_what_is_not_captured_reaches_no_file(path: Path, row: Callable[..., Any], capture: Capture) -> None:
    with open_store(path, capture=capture) as store:
        store.open_account(AccountRow("task"))
        asyncio.run(store.reserve(Reservation("r", "task", Amount(1), store.owner)))
        reply = StoredReply("key", '{"text":"a secret reply"}', Amount(1))
        store.settle(Settlement("r"), row(CallRow, reservation_id="r", **SECRETS[CallRow]), reply)
        for kind in (SpanRow, RunRow, TaskRow):
            store.record(row(kind, **SECRETS[kind]))
        store.flush()
        (call,), (span,), (found,) = store.calls("run"), store.spans("run"), store.runs()
        task = store.task("task")
        assert store.get("key") == reply, "for this process it is kept in memory"
        files = [file.read_bytes() for file in path.parent.iterdir()]
    assert [file for file in [*files, path.read_bytes()] if b"secret" in file] == []
    assert json.loads(span.events) == [GATE, {"event": "query", "passages": 2}]
    assert call.error == ABSTAINED
    assert (found.score, found.status, found.charged) == (row(RunRow).score, row(RunRow).status, row(RunRow).charged)
    assert task is not None
    if capture == "none":
        assert (call.request_messages, call.output_text, call.reasoning_text, span.evidence) == ("", "", "", "[]")
        assert (span.answer, found.answer, task.content) == ("", "", "{}")
    else:
        mark = f"[not kept: 14 bytes, sha256 {hashlib.sha256(b'a secret reply').hexdigest()[:32]}]"
        assert call.output_text == span.answer == found.answer == mark
        assert json.loads(task.content)["question"].startswith("[not kept: 17 bytes, sha256 ")
    with open_store(path) as store:
        assert store.get("key") is None
        store.record(row(CallRow, call_id="again", **SECRETS[CallRow]))
        assert store.calls("run")[-1].output_text == "a secret reply", "from now on it may be kept"


@pytest.mark.parametrize("capture", ["hash", "none"])
def test_a_run_leaves_no_word_behind(path: Path, capture: Capture) -> None:
    model = ScriptedModel(lambda request: "I muse.\nAnswer: marzipan", card=ModelCard(name="m"))
    graph = Graph("g").add("solve", Solver(style="direct", samples=1, max_output_tokens=64))
    with open_store(path, capture=capture) as store:
        result = graph.run("What is it made of? (pistachio)", pool=Pool([model]), store=store)
        assert result.answer == "marzipan"
        assert store.runs()[0].charged == result.charged
    data = path.read_bytes()
    assert not [word for word in (b"marzipan", b"pistachio", b"muse") if word in data]


@pytest.mark.parametrize("kind", get_args(TraceRow))
def test_with_all_captured_a_row_is_kept_as_it_is(row: Callable[..., Any], kind: type) -> None:
    whole = row(kind)
    assert withheld(whole, "full") is whole


def test_what_ails_an_endpoint_is_kept(row: Callable[..., Any]) -> None:
    told = withheld(row(SpanRow, status=Status.PROVIDER_ERROR, reason="HTTP 500", answer=""), "none")
    assert isinstance(told, SpanRow)
    assert told.reason == "HTTP 500"
    call = withheld(row(CallRow, outcome=Status.TIMEOUT, error="no reply in 60 s"), "none")
    assert isinstance(call, CallRow)
    assert call.error == "no reply in 60 s"


def test_odd_texts_are_left_out_too(row: Callable[..., Any]) -> None:
    for events in ("[{", "3", "null", '["a", 3]'):
        span = withheld(row(SpanRow, events=events), "none")
        assert isinstance(span, SpanRow)
        assert span.events == "[]"
    task = withheld(row(TaskRow, content='{"question":[{"role":"user","content":"a secret"}]}'), "hash")
    assert isinstance(task, TaskRow)
    assert "secret" not in task.content


def test_there_are_three_captures(path: Path) -> None:
    with pytest.raises(UsageError, match="capture must be one of full, hash, none, not 'some'"):
        open_store(path, capture="some")  # type: ignore[arg-type]
    assert not path.exists()
