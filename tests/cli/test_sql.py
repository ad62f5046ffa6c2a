from __future__ import annotations

import json
from pathlib import Path

import pytest

from apportion.cli.app import run
from apportion.records import PlanRow
from apportion.stores import open_store
from apportion.stores.views import VIEWS


def test_an_old_file_answers_by_the_views_of_today(
    kept_database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "rows.json"
    before = kept_database.read_bytes()
    query = "SELECT prompt, reply, usd FROM calls_read LIMIT 2"
    assert run(["sql", query, "--db", str(kept_database), "--json", str(out)]) == 0
    rows = json.loads(out.read_text())
    assert [row.keys() for row in rows] == [{"prompt", "reply", "usd"}] * 2
    assert json.loads(rows[0]["prompt"])[0]["role"]
    assert capsys.readouterr().out.endswith("2 rows\n")
    assert kept_database.read_bytes() == before


def test_without_a_question_tables_and_views_are_listed(
    kept_database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["sql", "--db", str(kept_database)]) == 0
    printed = capsys.readouterr().out
    assert all(f" {name} " in printed for name in (*VIEWS, "run", "call"))


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("DELETE FROM owner", "more than read"),
        ("DELETE FROM run", "cannot modify run"),
        ("PRAGMA user_version = 3", "more than read"),
        ("ATTACH 'other.db' AS o", "more than read"),
        ("VACUUM INTO 'other.db'", "more than read"),
        ("SELECT CAST(x'ff' AS TEXT)", "decode"),
        ("SELECT '\udcff'", "not UTF-8"),
        ("SELECT 1; SELECT 2", "one statement"),
        ("SELECT nowhere FROM run", "no such column: nowhere"),
        ("SELECT ?", "binding"),
        ("hello", "syntax error"),
    ],
)
def test_nothing_is_changed_and_mistakes_are_named(
    kept_database: Path, query: str, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(kept_database.parent)
    before = kept_database.read_bytes()
    assert run(["sql", query, "--db", str(kept_database)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert kept_database.read_bytes() == before
    assert not kept_database.with_name("other.db").exists()


def test_odd_cells_are_shown_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "books.db", tmp_path / "rows.json"
    with open_store(path) as store:
        store.record(PlanRow("p", "g", "{}", f"\x1b[31m<b>\u202e{'x' * 1000}"))
    query = "SELECT drawing, NULL AS a, x'00ff' AS b, 9e999 AS c, 1 AS d, 2 AS d FROM plan"
    assert run(["sql", query, "--db", str(path), "--json", str(out)]) == 0
    printed = capsys.readouterr().out
    assert r"\x1b[31m<b>\u202exxx" in printed
    assert "... (1,009 characters)" in printed
    assert "\x1b" not in printed
    assert json.loads(out.read_text()) == [
        {"drawing": f"\x1b[31m<b>\u202e{'x' * 1000}", "a": None, "b": "00ff", "c": "inf", "d": 1, "d_2": 2}
    ]
    assert run(["sql", query, "--db", str(path), "--full"]) == 0
    assert "x" * 1000 in capsys.readouterr().out


@pytest.mark.parametrize("command", [["sql", "SELECT 1"], ["runs"], ["studies"], ["stats"]])
def test_the_database_itself_is_not_written_over(
    kept_database: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = kept_database.read_bytes()
    assert run([*command, "--db", str(kept_database), "--json", str(kept_database)]) == 2
    assert "it is a SQLite database; name another file" in capsys.readouterr().err
    assert kept_database.read_bytes() == before
