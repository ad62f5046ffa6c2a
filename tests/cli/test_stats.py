from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from apportion.cli.app import run


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
