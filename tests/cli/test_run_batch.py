from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from apportion.cli.app import run
from apportion.stores.opening import open_store

POLICY = Path(__file__).parents[1] / "optimizers" / "serving" / "policies" / "study1.json"
"""On the embedded models."""
BATCH = ["run", "--policy", str(POLICY), "--in", "questions.jsonl", "--out", "answers.jsonl"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    questions = [{"question": f"{number}+34=", "name": f"q{number}"} for number in range(10, 22)]
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(each) + "\n" for each in questions))
    return tmp_path


def answers(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]


def paid(folder: Path) -> int:
    with open_store(folder / "apportion.db", read_only=True) as store:
        return sum(
            call.charged.tokens + call.lost.tokens
            for each in store.runs()
            for call in store.calls(each.run_id)
            if not call.cached
        )


def test_every_question_has_a_line_and_is_answered_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*BATCH, "--cap", "20000"]) == 0
    told = answers(folder)
    assert sorted(line["name"] for line in told) == sorted(f"q{number}" for number in range(10, 22))
    assert all(line["status"] in ("ok", "skipped", "starved", "parse_error") for line in told)
    printed = capsys.readouterr().out
    assert "of 12 questions answered, in answers.jsonl" in printed
    assert 0 < sum(line.endswith("of 12 questions") for line in printed.splitlines()) <= 10
    first = paid(folder)
    assert 0 < first <= 20_000
    assert run([*BATCH, "--cap", "20000"]) == 0
    assert (answers(folder), paid(folder)) == (told, first)


def test_it_goes_on_where_it_was_stopped_and_pays_nothing_twice(folder: Path) -> None:
    assert run([*BATCH, "--cap", "20000"]) == 0
    before, first = {line["task_id"]: line["answer"] for line in answers(folder)}, paid(folder)
    whole = (folder / "answers.jsonl").read_text().splitlines(keepends=True)
    (folder / "answers.jsonl").write_text("".join(whole[:5]) + whole[5][:20])
    assert run([*BATCH, "--cap", "20000"]) == 0
    assert len(answers(folder)) == 12
    assert {line["task_id"] for line in answers(folder)} == set(before)
    assert (folder / "answers.jsonl").read_text().startswith("".join(whole[:5]))
    assert paid(folder) <= 20_000
    assert first > 0


def test_the_cap_is_one_for_all_commands(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*BATCH, "--cap", "80"]) == 5
    assert "the same command asks them again" in capsys.readouterr().out
    assert paid(folder) <= 80
    assert run([*BATCH, "--cap", "40"]) == 2
    assert "can only be raised" in capsys.readouterr().err
    assert run([*BATCH, "--cap", "20000"]) == 0
    assert len(answers(folder)) == 12
    assert all(line["status"] != "budget" for line in answers(folder))


@pytest.mark.skipif(os.name != "posix", reason="a process is killed, and files are locked")
def test_killed_in_the_middle_the_same_command_goes_on(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    questions = [{"question": f"{number}+{number}="} for number in range(100, 500)]
    (folder / "questions.jsonl").write_text("".join(json.dumps(each) + "\n" for each in questions))
    command = [*BATCH, "--cap", "30000"]
    started = subprocess.Popen([sys.executable, "-m", "apportion", *command], stdout=subprocess.DEVNULL)
    out = folder / "answers.jsonl"
    while not (out.exists() and out.read_bytes().count(b"\n") >= 5):
        assert started.poll() is None
        time.sleep(0.01)
    assert run(command) == 2
    assert "another command is writing" in capsys.readouterr().err
    started.kill()
    started.wait()
    before = out.read_text()
    assert 5 <= before.count("\n") < 400
    assert run(command) == 0
    assert out.read_text().startswith(before[: before.rindex("\n") + 1])
    told = [line["task_id"] for line in answers(folder)]
    assert len(told) == len(set(told)) == 400
    assert paid(folder) <= 30_000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--in", "questions.jsonl"], "needs all of"),
        ([*BATCH[:-2], "--cap", "5"], "needs all of"),
        ([*BATCH, "--cap", "5", "a question"], "there is no question"),
        ([*BATCH, "--cap", "5", "--dial", "0.5"], "--dial"),
        ([*BATCH, "--cap", "0"], "--cap must be a number above 0"),
        ([*BATCH[:4], "no.jsonl", *BATCH[5:], "--cap", "5"], "no.jsonl"),
        ([*BATCH[:-1], "no/such/file", "--cap", "5"], "cannot write 'no/such/file'"),
        ([*BATCH[:-1], "questions.jsonl", "--cap", "5"], "no line of answers"),
        ([*BATCH[:-1], ".", "--cap", "5"], "is no file"),
        ([*BATCH[:-1], os.devnull, "--cap", "5"], "is no file"),
        (["run"], "write: run"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(
    folder: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (folder / "questions.jsonl").read_text()
    assert run(arguments) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.err.count("\n") == 1
    assert (folder / "questions.jsonl").read_text() == before
