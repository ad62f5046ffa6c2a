from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from apportion.cli.app import run
from apportion.stores import open_store


def test_studies_are_listed_with_what_they_cost(
    kept_database: Path, kept_figures: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = tmp_path / "studies.json"
    assert run(["studies", "--db", str(kept_database), "--json", str(listed)]) == 0
    (study,) = json.loads(listed.read_text())
    printed = capsys.readouterr().out
    assert study["study_id"] == kept_figures["held"]["study_id"]
    assert study["paid_tokens"] == kept_figures["found"]["paid"]
    assert f"{study['paid_tokens']:,}" in printed
    assert f"apportion stats --study {study['study_id'][:8]}" in printed


def test_a_database_without_studies_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "empty.db"
    with open_store(path):
        pass
    assert run(["studies", "--db", str(path)]) == 0
    assert capsys.readouterr().out.startswith(f"0 studies in {path}")
