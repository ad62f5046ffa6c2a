from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from apportion.nodes.symbolic.process import Ended, OutOfTime, SolverProcess

MEMORY = 2 * 1024**3
LINUX = sys.platform == "linux"
REQUEST = json.dumps(
    {"problem": '{"variables": [{"type": "bool", "name": "q"}]}', "seconds": 5.0}
)  # fmt: skip


@pytest.fixture(scope="module")
def shared() -> Iterator[SolverProcess]:
    process = SolverProcess(MEMORY)
    yield process
    process.end()


def test_one_line_in_one_line_out(shared: SolverProcess) -> None:
    for _ in range(3):
        assert json.loads(shared.ask(REQUEST, 10.0))["status"] == "ok"


@pytest.mark.skipif(not LINUX, reason="reads /proc")
def test_it_lives_in_an_empty_folder_with_no_secrets_and_its_own_session(
    shared: SolverProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    process = SolverProcess(MEMORY)
    try:
        proc = Path(f"/proc/{process.pid}")
        environment = (proc / "environ").read_bytes()
        assert b"sk-secret" not in environment
        assert {entry.split(b"=")[0] for entry in environment.split(b"\0") if entry} <= {
            *(name.encode() for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TEMP", "LD_LIBRARY_PATH")),
        }
        folder = (proc / "cwd").readlink()
        assert list(folder.iterdir()) == []
        assert os.getsid(process.pid) == process.pid
        limits = (proc / "limits").read_text()
        for name, value in (("address space", MEMORY), ("file size", 65536), ("open files", 32)):
            line = next(line for line in limits.splitlines() if line.startswith(f"Max {name}"))
            assert line.split()[-3 if name != "processes" else -2] == str(value)
    finally:
        process.end()
    assert not folder.exists()
    assert not proc.exists()


@pytest.mark.skipif(not LINUX, reason="reads /proc")
def test_processor_time_is_limited_anew_for_every_problem(shared: SolverProcess) -> None:
    shared.ask(REQUEST, 10.0)
    limits = Path(f"/proc/{shared.pid}/limits").read_text()
    line = next(line for line in limits.splitlines() if line.startswith("Max cpu time"))
    assert 10 <= int(line.split()[3]) < 60
    assert line.split()[4] == "unlimited"


def test_a_process_that_hangs_is_killed() -> None:
    process = SolverProcess(MEMORY)
    try:
        os.kill(process.pid, signal.SIGSTOP)
        with pytest.raises(OutOfTime):
            process.ask(REQUEST, 0.2)
        assert not process.alive
    finally:
        process.end()


def test_a_hanging_process_cannot_block_the_writer_either() -> None:
    process = SolverProcess(MEMORY)
    try:
        os.kill(process.pid, signal.SIGSTOP)
        with pytest.raises(OutOfTime):
            process.ask(" " * 1_000_000, 0.2)
    finally:
        process.end()


def test_a_crash_names_the_signal() -> None:
    process = SolverProcess(MEMORY)
    try:
        os.kill(process.pid, signal.SIGSEGV)
        with pytest.raises(Ended, match="SIGSEGV"):
            process.ask(REQUEST, 10.0)
    finally:
        process.end()


def test_nonsense_ends_it_with_the_last_words_of_the_interpreter() -> None:
    process = SolverProcess(MEMORY)
    try:
        with pytest.raises(Ended, match=r"exit code 1: json\.decoder\.JSONDecodeError"):
            process.ask("nonsense", 10.0)
    finally:
        process.end()


def test_killing_from_another_thread_ends_the_wait() -> None:
    process = SolverProcess(MEMORY)
    os.kill(process.pid, signal.SIGSTOP)
    timer = threading.Timer(0.1, process.kill)
    timer.start()
    try:
        with pytest.raises(Ended, match="SIGKILL"):
            process.ask(REQUEST, 30.0)
    finally:
        process.end()
        timer.join()


def test_a_start_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(Ended, match="could not be started"):
        SolverProcess(MEMORY)
