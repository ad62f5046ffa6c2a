from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.recorded import DATA, absent, main, sections


def test_the_command_runs_on_made_up_records(records: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(records), "--halves", "2", "--sets", "gsm8k", "sql"]) == 0
    printed = capsys.readouterr()
    assert "goals" in printed.out.splitlines()[1]
    assert "GSM8K: Joint not below ridge in APGR" in printed.out
    assert "route, then allocate" in printed.out
    assert "old#multiturn10" in printed.out
    assert "half 2 of 2" in printed.err


def test_joint_is_cheaper_where_the_small_model_is_as_good_on_some_tasks(records: Path) -> None:
    (section,) = sections(records, ["reasoning"], 2, lambda _: None)
    rows = {row[0]: row for row in section.rows}
    single, families, joint = (rows[name] for name in ("best single model", "best arm of each family, shrunk", "joint"))
    assert float(single[2]) > 1.5 * float(families[2])
    assert float(single[2]) > 1.5 * float(joint[2])
    assert float(joint[1]) > float(single[1]) - 0.1


def test_without_records_it_says_so_and_is_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path)]) == 0
    assert "--data" in capsys.readouterr().out


@pytest.mark.skipif(absent(DATA, ["gsm8k"]) is not None, reason=f"there are no recorded outcomes in {DATA}")
def test_on_the_records_routing_is_better_than_chance() -> None:
    (section,) = sections(DATA, ["gsm8k"], 1, lambda _: None)
    assert float(section.rows[0][1]) > 0.53
    assert float(section.rows[1][1]) > 0.53
