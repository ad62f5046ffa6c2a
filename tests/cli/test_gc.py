from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from apportion.cli.app import run
from apportion.records import Amount, RunRow, Status
from apportion.stores import open_store


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Runs of an hour, of ten days and of a year ago."""
    path = tmp_path / "books.db"
    with open_store(path) as store:
        for name, hours in (("hour", 1), ("days", 240), ("year", 365 * 24)):
            ended = time.time() - 3600 * hours
            store.record(
                RunRow(name, None, "t", "p", "g", "a", ended, ended, Status.OK, "", "", None, Amount(), Amount(), 0.0)
            )
    return path


@pytest.mark.parametrize(
    ("keep", "left"), [("30d", ["hour", "days"]), ("1w", ["hour"]), ("2h", ["hour"]), ("0h", []), ("99w", None)]
)
def test_runs_are_kept_for_so_long(
    database: Path, keep: str, left: list[str] | None, capsys: pytest.CaptureFixture[str]
) -> None:
    out = database.with_name("gone.json")
    assert run(["gc", "--keep", keep, "--db", str(database), "--json", str(out)]) == 0
    with open_store(database) as store:
        assert [row.run_id for row in store.runs()] == (["hour", "days", "year"] if left is None else left)
    gone = json.loads(out.read_text())["rows"]["runs"]
    assert gone == (0 if left is None else 3 - len(left))
    assert (f"{gone} runs" in capsys.readouterr().out) == bool(gone)


@pytest.mark.parametrize("keep", ["30", "d", "-1d", "1.5d", "30 days", "٣d", ""])
def test_other_times_are_refused(database: Path, keep: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["gc", f"--keep={keep}", "--db", str(database)]) == 2
    assert "write a number of hours, days or weeks" in capsys.readouterr().err


def test_there_is_no_time_that_one_did_not_name(database: Path) -> None:
    assert run(["gc", "--db", str(database)]) == 2
