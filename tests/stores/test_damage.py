"""Rows that SQLite keeps and that are none: each is named with what to do, and blamed on nobody's code."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from apportion.cli.app import run
from apportion.errors import StoreError
from apportion.graphs.graph import Graph
from apportion.models.card import ModelCard
from apportion.models.pool import Pool
from apportion.nodes.solver import Solver
from apportion.stores import Store, open_store
from apportion.testing.scripted import ScriptedModel


def asked(path: Path) -> str:
    """Asks a model; the second time its stored reply is read."""
    model = ScriptedModel(lambda request: "Answer: 42", card=ModelCard(name="m"))
    graph = Graph("g").add("solve", Solver(style="direct", samples=1, max_output_tokens=64))
    with open_store(path) as store:
        return graph.run("6 * 7?", pool=Pool([model]), store=store).run_id


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """A database with one run of one call in it."""
    path = tmp_path / "full.db"
    asked(path)
    return path


def damaged(path: Path, change: str, *values: Any) -> None:
    with closing(sqlite3.connect(path)) as database:
        assert database.execute(change, values).rowcount > 0
        database.commit()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("payload", b"\0"),
        ("payload", b""),
        ("payload", "text"),
        ("payload", ""),
        ("payload", "{"),
        ("payload", '{"text": 3, "finish_reason": "stop", "usage": null}'),
        ("payload", zlib.compress(b"\xff")),
        ("payload", zlib.compress(b"{")),
        ("payload", zlib.compress(b"[" * 5000)),
        ("payload", zlib.compress(b"3")),
        ("payload", zlib.compress(b"{}")),
        ("payload", zlib.compress(b'{"text": 3, "finish_reason": "stop", "usage": null}')),
        ("payload", zlib.compress(b'{"text": "a", "finish_reason": "odd", "usage": null}')),
        ("payload", zlib.compress(b'{"text": "a", "finish_reason": "stop", "usage": 7}')),
        ("payload", zlib.compress(b'{"text": "a", "finish_reason": "stop", "usage": null, "more": 1}')),
        ("charged_tokens", "many"),
        ("charged_nanousd", 1.5),
    ],
)
def test_a_damaged_reply_is_named_and_blamed_on_no_node(full: Path, column: str, value: object) -> None:
    damaged(full, f"UPDATE reply SET {column} = ?", value)
    with pytest.raises(StoreError, match=r"request_key '[0-9a-f]{64}' is damaged .*the call is then made once more"):
        asked(full)


def test_with_the_row_taken_out_the_call_is_made_once_more(full: Path) -> None:
    damaged(full, "UPDATE reply SET payload = x'00'")
    with pytest.raises(StoreError) as told:
        asked(full)
    command = str(told.value).split('"')[1]
    damaged(full, command)
    assert asked(full)


_READ: dict[str, Callable[[Store, str], object]] = {
    "run": lambda store, run_id: store.runs(),
    "span": lambda store, run_id: store.spans(run_id),
    "call": lambda store, run_id: store.calls(run_id),
    "task": lambda store, run_id: [store.task(row.task_id) for row in store.runs()],
    "plan": lambda store, run_id: [store.plan(row.plan_hash) for row in store.runs()],
    "text": lambda store, run_id: store.calls(run_id),
}


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("run", "status", "odd"),
        ("run", "score", "high"),
        ("run", "charged_tokens", b"\0"),
        ("span", "round", "first"),
        ("span", "answer", b"\xff\xfe"),
        ("call", "outcome", ""),
        ("call", "started_at", "today"),
        ("task", "content", '{"question'),
        ("task", "content", "3"),
        ("plan", "content", "[" * 5000),
        ("text", "content", b""),
        ("text", "content", "not JSON"),
        ("text", "content", zlib.compress(b"not JSON")),
    ],
)
def test_a_damaged_row_is_named_with_its_table_and_key(full: Path, table: str, column: str, value: object) -> None:
    with open_store(full, read_only=True) as store:
        run_id = store.runs()[0].run_id
    damaged(full, f"UPDATE {table} SET {column} = ?", value)
    with (
        open_store(full, read_only=True) as store,
        pytest.raises(StoreError, match=rf"{full}: the row of table '\w+' with \w+ '\S+' is damaged .*restore a copy"),
    ):
        _READ[table](store, run_id)


@pytest.mark.parametrize(("column", "value"), [("charged_tokens", "many"), ("in_flight", 1.5)])
def test_damaged_figures_of_an_account_are_named(full: Path, column: str, value: object) -> None:
    with closing(sqlite3.connect(full)) as database:
        ((account,),) = database.execute("SELECT account_id FROM account LIMIT 1").fetchall()
    damaged(full, f"UPDATE account SET {column} = ? WHERE account_id = ?", value, account)
    with (
        open_store(full, read_only=True) as store,
        pytest.raises(StoreError, match=f"account_id '{account}' is damaged"),
    ):
        store.balance(account)


def test_a_text_that_is_gone_is_missed(full: Path) -> None:
    damaged(full, "DELETE FROM text")
    with open_store(full, read_only=True) as store, pytest.raises(StoreError, match=r"its text '[0-9a-f]+' is missing"):
        store.calls(store.runs()[0].run_id)


def test_a_key_that_is_no_word_is_in_no_command(full: Path) -> None:
    damaged(full, "UPDATE plan SET content = 'x', plan_hash = ?", "'; DROP TABLE run; --")
    with open_store(full, read_only=True) as store, pytest.raises(StoreError, match=r"restore a copy$"):
        store.plan("'; DROP TABLE run; --")


def test_a_prompt_that_an_older_version_cut_is_shown(full: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cut = f'[{{"role":"user","content":"long\n[cut: 300000 bytes, sha256 {"ab" * 32}]'
    damaged(full, "UPDATE text SET content = ?", cut)
    with open_store(full, read_only=True) as store:
        run_id = store.runs()[0].run_id
    assert run(["show", run_id, "--db", str(full)]) == 0
    assert "[cut: 300000 bytes" in capsys.readouterr().out


def test_the_command_line_says_it_in_one_line(full: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged(full, "UPDATE run SET status = 'odd'")
    assert run(["runs", "--db", str(full)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
