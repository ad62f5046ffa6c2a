from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from apportion import Agent, Graph, Pool, ToolResult, priced
from apportion.cli.app import run
from apportion.models.card import ModelCard
from apportion.models.request import Reply, Request
from apportion.models.tools import ToolCall
from apportion.records import Amount, RunRow, SpanRow, Status
from apportion.stores import open_store
from apportion.testing.scripted import ScriptedModel


def stats(database: Path, *arguments: str) -> list[dict[str, Any]]:
    out = database.with_name("stats.json")
    assert run(["stats", "--db", str(database), "--json", str(out), *arguments]) == 0
    found: list[dict[str, Any]] = json.loads(out.read_text())
    return found


def test_every_token_is_counted_however_it_is_grouped(
    kept_database: Path, kept_figures: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    for by in ("node,model,plan", "model", "plan,family", "part"):
        rows = stats(kept_database, "--by", by)
        assert sum(row["tokens"] for row in rows) == kept_figures["held"]["charged"]
        assert set(by.split(",")) < rows[0].keys()
        assert [row["tokens"] for row in rows] == sorted((row["tokens"] for row in rows), reverse=True)
        assert f"{kept_figures['held']['charged']:,} tokens" in capsys.readouterr().out


def test_what_is_left_over_is_told_of(kept_database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = stats(kept_database, "--limit", "1")
    assert len(rows) > 1
    assert f"and {len(rows) - 1} more" in capsys.readouterr().out


def test_filters_count_a_part_of_it(kept_database: Path) -> None:
    (whole,) = stats(kept_database, "--by", "node", "--part", "fit", "--family", "chains")[:1]
    assert 0 < whole["tokens"] < stats(kept_database, "--by", "node")[0]["tokens"]
    plan = stats(kept_database, "--by", "plan")[0]["plan"]
    assert {row["plan"] for row in stats(kept_database, "--plan", plan[:10])} == {plan}


@pytest.mark.parametrize("by", ["", "nodes", "node,node", "node,,model", "1; DROP TABLE run"])
def test_other_names_are_refused(kept_database: Path, by: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["stats", "--db", str(kept_database), "--by", by]) == 2
    assert "write some of node, model, plan, family, part" in capsys.readouterr().err


def test_verdicts_are_told_of_where_they_have_no_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, spent, nothing = tmp_path / "books.db", Amount(5, 0, 7_000_000_000), Amount()
    with open_store(path) as store:
        store.record(
            RunRow("r", None, "t", "plan", "g", "a", 1.0, 2.0, Status.OK, "complete", "1", 1.0, spent, nothing, 1.0)
        )
        for node, kind in (("solve", "solver"), ("(judge)", "judge")):
            store.record(SpanRow(node, "r", node, kind, 0, "", 1.0, 2.0, Status.OK, spent, nothing))
    rows = stats(path, "--by", "node")
    assert [(row["node"], row["usd"]) for row in rows] == [("(judge)", 7.0), ("solve", 7.0)], "of tools, without a call"
    assert "beside" not in capsys.readouterr().out
    (row,) = stats(path, "--by", "plan")
    assert row["usd"] == 7.0
    assert "beside that: 1 verdict of a judge for 5 tokens" in capsys.readouterr().out


@priced(usd=0.01)
def look_up(query: str) -> ToolResult:
    """Looks facts up, for money."""
    return ToolResult(f"{query}: 718 thousand people", usd=0.004)


def test_what_tools_cost_is_a_line_of_its_own(tmp_path: Path) -> None:
    def script(request: Request) -> Reply | str:
        if request.messages[-1].role == "tool":
            return "Answer: 718 thousand"
        return Reply("", "stop", None, tool_calls=(ToolCall("look_up", '{"query": "Oslo"}'),))

    path = tmp_path / "books.db"
    pool = Pool([ScriptedModel(script, card=ModelCard(name="scripted", tools=True))])
    with open_store(path) as store:
        graph = Graph("towns").add("act", Agent(tools=(look_up,), rounds=2))
        result = graph.run("How many live in Oslo?", pool=pool, store=store)
        paid = store.query("SELECT paid_usd, charged_usd FROM cost_per_run").rows
    assert paid == [(0.004, 0.004)]
    rows = stats(path, "--by", "node,model")
    assert [(row["model"], row["tokens"], row["usd"]) for row in rows] == [
        ("scripted", result.charged.tokens, 0.0),
        ("(tools)", 0, 0.004),
    ]
