from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from apportion.cli.app import run
from apportion.stores import open_store


def test_a_database_of_an_older_version_is_listed_and_shown(
    kept_database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed, shown = tmp_path / "runs.json", tmp_path / "run.json"
    assert run(["runs", "--db", str(kept_database), "--limit", "5", "--json", str(listed)]) == 0
    entries = json.loads(listed.read_text())
    printed = capsys.readouterr().out
    assert all(f" {entry['run_id'][:8]} " in printed for entry in entries)
    assert len(entries) == 5
    for entry in entries:
        assert run(["show", entry["run_id"][:8], "--db", str(kept_database), "--json", str(shown)]) == 0
        whole = json.loads(shown.read_text())
        assert whole["run"] | {"part": entry["part"]} == entry
        assert sum(call["charged"]["tokens"] for call in whole["calls"]) == entry["charged"]["tokens"]
        assert all(call["output_text"] for call in whole["calls"])


@pytest.mark.filterwarnings("ignore::apportion.stores.upgrade.OldFileWarning")
def test_a_database_of_an_older_version_is_whole(kept_database: Path, kept_figures: dict[str, Any]) -> None:
    held = kept_figures["held"]
    with open_store(kept_database) as store:
        rows = store.runs()
        calls = [call for row in rows for call in store.calls(row.run_id)]
        (study,) = store.studies()
        assert all(store.plan(row.plan_hash) and store.task(row.task_id) for row in rows)
    assert (study.study_id, study.state) == (held["study_id"], "complete")
    assert (len(rows), len(calls), sum(call.charged.tokens for call in calls)) == (
        held["runs"],
        held["calls"],
        held["charged"],
    )


def test_runs_are_found_by_what_is_known_of_them(
    kept_database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runs.json"

    def listed(*filters: str) -> list[dict[str, Any]]:
        assert run(["runs", "--db", str(kept_database), "--limit", "1000", "--json", str(out), *filters]) == 0
        found: list[dict[str, Any]] = json.loads(out.read_text())
        return found

    everything = listed()
    plan = everything[-1]["plan_hash"]
    mine = listed("--plan", plan[:6], "--status", "ok")
    assert mine == [row for row in everything if row["plan_hash"] == plan and row["status"] == "ok"]
    assert f", --plan {plan[:6]}, --status ok" in capsys.readouterr().out
    chains, hops = listed("--family", "chains"), listed("--family", "hops")
    assert len(chains) + len(hops) == len(everything)
    assert 0 < len(listed("--question", "ROOM")) <= len(hops)
    assert listed("--family", "nothing") == []


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        (["--status", "fine"], "no such status; there are ok, skipped"),
        (["--plan", "zz"], "no plan in"),
        (["--plan", ""], "no plan in"),
        (["--study", "%"], "no study in"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    kept_database: Path, filters: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["runs", "--db", str(kept_database), *filters]) == 2
    assert said in capsys.readouterr().err


def test_a_beginning_that_fits_two_is_refused(kept_database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_store(kept_database, read_only=True) as store:
        plans = sorted({row.plan_hash for row in store.runs()})
    twins = [a for a, b in itertools.pairwise(plans) if a[0] == b[0]]
    for twin in twins[:1]:
        assert run(["runs", "--db", str(kept_database), "--plan", twin[0]]) == 2
        assert "more than one plan" in capsys.readouterr().err
