from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from apportion.cli.app import run
from apportion.records import Amount, CallRow, PartRow, RunRow, SpanRow, Status, TaskRow
from apportion.stores import open_store

SPENT, NOTHING = Amount(5, 0, 7_500_000), Amount()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A run of a node that paid a tool beside its call, and the verdict on its answer."""
    path = tmp_path / "books.db"
    with open_store(path) as store:
        store.record(TaskRow("task", "f", json.dumps({"question": "How many?", "gold": "36"})))
        store.record(
            RunRow("run", None, "task", "plan", "g", "a", 1.0, 2.0, Status.OK, "", "36", None, SPENT, NOTHING, 1.0)
        )
        for node, kind, said in (("solve", "solver", "a dozen"), ("(judge)", "judge", "the gold is 36")):
            why = f"no mark in {said!r}"
            store.record(SpanRow(node, "run", node, kind, 0, "", 1.0, 2.0, Status.OK, SPENT, NOTHING, reason=why))
            messages = json.dumps([{"role": "user", "content": said}])
            store.record(
                CallRow(
                    node, "run", node, node, 1, "ab" * 32, "chat", "openai", "small", 64, 0.5, None, 0, messages,
                    1.0, 2.0, Status.OK, Amount(9), Amount(5), output_text=f"{said}, so 36", reasoning_text=said,
                    error=why,
                )
            )  # fmt: skip
    return path


def test_a_whole_id_is_meant_even_where_another_begins_so(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_store(database) as store:
        for name in ("running", "runner"):
            found = store.run("run")
            assert found is not None
            store.record(replace(found, run_id=name))
    assert run(["show", "run", "--db", str(database)]) == 0
    assert "run run: ok" in capsys.readouterr().out
    assert run(["show", "ru", "--db", str(database)]) == 2
    assert "more than one run in" in capsys.readouterr().err
    assert run(["show", "", "--db", str(database)]) == 2
    assert "begins with ''; `apportion runs` lists them" in capsys.readouterr().err


def test_what_tools_cost_is_told(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", "run", "--db", str(database)]) == 0
    printed = capsys.readouterr().out
    assert "plan plan; 5 tokens and 0.0075 USD charged, 0 lost" in printed
    assert "solve (solver): ok, 5 tokens and 0.0075 USD" in printed


def test_a_verdict_on_a_question_of_the_test_part_does_not_tell_the_gold(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = database.with_name("run.json")
    assert run(["show", "run", "--db", str(database), "--full"]) == 0
    assert "the gold is 36" in capsys.readouterr().out
    with open_store(database) as store:
        store.record(PartRow(0, "task", "test"))
    assert run(["show", "run", "--db", str(database), "--full", "--json", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "the gold" not in printed + out.read_text()
    assert "[not shown: a verdict on a question of the test part]" in printed
    assert "a dozen, so 36" in printed
