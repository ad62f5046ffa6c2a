from __future__ import annotations

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
