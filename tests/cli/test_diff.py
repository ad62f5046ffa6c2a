from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apportion.cli.app import run
from apportion.records import Amount, PlanRow, RunRow, Status, StudyRow, TaskRow, TrialRow
from apportion.stores import open_store

NOTHING = Amount()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Two plans on three questions of validation and one of test."""
    path = tmp_path / "books.db"
    with open_store(path) as store:
        store.record(StudyRow("study", "g", "account", '{"seed":0}', 1.0, "complete"))
        for plan, edges in (("aaaa1111", ["x->y"]), ("bbbb2222", [])):
            content = {"graph": "g", "values": {"solve.model": plan[0], "solve.samples": 1}, "edges": edges}
            store.record(PlanRow(plan, "g", json.dumps(content), ""))
            for part in ("validation", "test"):
                trial = TrialRow(plan + part, "study", plan, part, 0, 3, 0.5, 1.0, NOTHING, NOTHING, "complete")
                store.record(trial)
        scores = {"q0": (1.0, 0.0), "q1": (0.0, 1.0), "q2": (1.0, 1.0), "hidden": (1.0, 0.0)}
        for name, (first, second) in scores.items():
            store.record(TaskRow(name, "f", json.dumps({"question": f"What is {name}?", "gold": "gold"})))
            part = "test" if name == "hidden" else "validation"
            for plan, score in (("aaaa1111", first), ("bbbb2222", second)):
                store.record(run_row(name, plan, part, score))
    return path


def run_row(task: str, plan: str, part: str, score: float) -> RunRow:
    tokens = Amount(10 if plan[0] == "a" else 30)
    return RunRow(
        f"{plan}-{task}", plan + part, task, plan, "g", "account", 1.0, 2.0, Status.OK, "complete",
        f"{task} by {plan[0]}", score, tokens, NOTHING, 1.0,
    )  # fmt: skip


def test_two_plans_are_told_apart(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = database.with_name("diff.json")
    assert run(["diff", "aaaa", "bb", "--db", str(database), "--json", str(out)]) == 0
    printed = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    assert "solve.model a b" in lines
    assert "x->y on off" in lines
    assert "solve.samples" not in printed
    assert "3 questions under both: better at 1, worse at 1, as good at 1" in printed
    assert "mean score 0.667 for 10 tokens against 0.667 for 30 tokens a question" in printed
    pairs = json.loads(out.read_text())
    assert [pair["task_id"] for pair in pairs] == ["q0", "q1", "q2"], "the furthest apart first"
    assert "show aaaa1111" in printed
    assert "show bbbb2222" in printed
    assert "hidden" not in printed + out.read_text(), "test is for what a search has found"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE plan SET content = '[]'", "row of table 'plan' with plan_hash 'aaaa1111' is damaged"),
        ("""UPDATE plan SET content = '{"values": [1]}'""", "row of table 'plan' with plan_hash 'aaaa1111' is damaged"),
        ("""UPDATE plan SET content = '{"edges": 3}'""", "row of table 'plan' with plan_hash 'aaaa1111' is damaged"),
        ("UPDATE run SET score = 'high', answer = x'ff', started_at = 'x'", ""),
        ("UPDATE task SET content = '{'", ""),
        ("DELETE FROM plan", ""),
    ],
)
def test_damage_is_told_of_or_passed_over(
    database: Path, damage: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(damage)
    assert run(["diff", "aaaa", "bb", "--db", str(database)]) == (2 if said else 0)
    assert said in capsys.readouterr().err


def test_no_score_is_no_score_of_zero(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_store(database) as store:
        for plan in ("aaaa1111", "bbbb2222"):
            store.record(replace(run_row("q0", plan, "validation", 1.0), score=1.0 if plan[0] == "a" else None))
    assert run(["diff", "aaaa", "bb", "--db", str(database)]) == 0
    printed = capsys.readouterr().out
    assert "3 questions under both: better at 0, worse at 1, as good at 1, without a score at 1; mean" in printed
    assert "mean score 0.500 for 10 tokens against 1.000 for 30 tokens" in printed
    with open_store(database) as store:
        for name in ("q1", "q2"):
            store.record(replace(run_row(name, "aaaa1111", "validation", 1.0), score=None))
    assert run(["diff", "aaaa", "bb", "--db", str(database)]) == 0
    assert "without a score at 3; mean score - for 10 tokens against -" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("plans", "said"),
    [
        (("aaaa", "aaaa1111"), "the same plan"),
        (("aaaa", "cc"), "no plan in"),
        (("aaaa", ""), "no plan in"),
    ],
)
def test_what_is_no_pair_is_refused(
    database: Path, plans: tuple[str, str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["diff", *plans, "--db", str(database)]) == 2
    assert said in capsys.readouterr().err


def test_a_question_asked_again_counts_once_and_a_plan_that_is_gone_is_compared(database: Path) -> None:
    with open_store(database) as store:
        again: Any = run_row("q0", "bbbb2222", "validation", 1.0)
        store.record(RunRow(**{name: getattr(again, name) for name in again.__slots__} | {"run_id": "later"}))
    out = database.with_name("diff.json")
    assert run(["diff", "aaaa", "bb", "--db", str(database), "--json", str(out)]) == 0
    assert len(json.loads(out.read_text())) == 3


def test_plans_without_a_question_in_common(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_store(database) as store:
        store.record(
            RunRow("r", None, "q0", "cccc3333", "g", "a", 1.0, 2.0, Status.OK, "", "", 1.0, NOTHING, NOTHING, 1.0)
        )
    assert run(["diff", "aaaa", "cccc", "--db", str(database)]) == 0
    assert "no question of fit or validation was asked under both" in capsys.readouterr().out
