from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
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
        assert folder.name.startswith("apportion-solver-")
        assert folder.name.endswith(" (deleted)")
        assert list((proc / "cwd").iterdir()) == []
        assert not folder.with_name(folder.name.removesuffix(" (deleted)")).exists()
        assert os.getsid(process.pid) == process.pid
        limits = (proc / "limits").read_text()
        for name, value in (("address space", MEMORY), ("file size", 65536), ("open files", 32)):
            line = next(line for line in limits.splitlines() if line.startswith(f"Max {name}"))
            assert line.split()[-3 if name != "processes" else -2] == str(value)
    finally:
        process.end()
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


_PARENT = """
import json, os, sys, threading, time
from apportion.nodes.symbolic.process import SolverProcess

process = SolverProcess(2 * 1024**3)
if sys.argv[1] == "forked" and os.fork() == 0:
    time.sleep(60)
    os._exit(0)
if sys.argv[1] == "solving":
    # Far beyond the time that the test takes.
    numbers = [{"type": "int", "name": f"x{i}", "low": 0, "high": 400} for i in range(50)]
    sums = [
        {
            "kind": "linear",
            "terms": [{"variable": f"x{i}", "coefficient": (i * 7919 + j * 104729) ** 2 % 997} for i in range(50)],
            "relation": "==",
            "constant": 2_000_003 + 17 * j,
        }
        for j in range(18)
    ]
    problem = json.dumps({"variables": numbers, "constraints": sums})
    request = json.dumps({"problem": problem, "seconds": 600.0, "unique": False})
    threading.Thread(target=process.ask, args=(request, 600.0), daemon=True).start()
    time.sleep(0.5)
print(process.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(not LINUX, reason="reads /proc")
@pytest.mark.parametrize("doing", ["waiting", "solving", "forked"])
def test_it_ends_with_its_parent_however_that_ends(doing: str, tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT, doing],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert _runs(pid)
        parent.kill()
        parent.wait()
        until = time.monotonic() + 30
        while _runs(pid) and time.monotonic() < until:
            time.sleep(0.01)
        assert not _runs(pid)
        if doing == "forked":
            os.killpg(parent.pid, signal.SIGKILL)
    assert list(tmp_path.iterdir()) == []


def _runs(pid: int) -> bool:
    """Whether a process is there and not only waits to be buried."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_start_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(Ended, match="could not be started"):
        SolverProcess(MEMORY)
