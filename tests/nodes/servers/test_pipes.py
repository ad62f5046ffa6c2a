from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .plain import command, ended, pids, runs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

PARENT = """
import asyncio, os, sys, time
from apportion.nodes.servers.pipes import Launch
from apportion.nodes.servers.server import ToolServer

server = ToolServer(Launch(tuple(sys.argv[2:]), (), os.getcwd(), 60.0))
asyncio.run(server.tools())
if sys.argv[1] == "forked" and os.fork() == 0:
    time.sleep(60)
    os._exit(0)
if sys.argv[1] == "leaves":
    sys.exit()
print("ready", flush=True)
time.sleep(60)
"""


def parent(doing: str, habit: str, folder: Path) -> subprocess.Popen[str]:
    """A program that has started a server."""
    program = [sys.executable, "-W", "error", "-c", PARENT, doing, *command(habit, folder)]
    pipe = subprocess.PIPE
    return subprocess.Popen(program, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


@pytest.mark.parametrize("habit", ["honest", "stays"])
@pytest.mark.parametrize("doing", ["waits", "forked"])
def test_a_server_ends_with_the_program_that_is_killed(doing: str, habit: str, tmp_path: Path) -> None:
    """Also one that heeds neither the end of its input nor a polite signal, and where a fork holds its input open."""
    with parent(doing, habit, tmp_path) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        (pid,) = pids(tmp_path)
        assert runs(pid)
        program.kill()
        program.wait()
        assert ended(pid)
        os.killpg(program.pid, signal.SIGKILL) if doing == "forked" else None


def test_a_program_that_ends_without_closing_leaves_no_server_and_says_nothing(tmp_path: Path) -> None:
    out, err = parent("leaves", "stays", tmp_path).communicate(timeout=60)
    assert (out, err) == ("", "")
    (pid,) = pids(tmp_path)
    assert ended(pid)


def test_a_server_ends_where_the_process_that_watches_it_is_killed(tmp_path: Path) -> None:
    with parent("waits", "stays", tmp_path) as program:
        assert program.stdout is not None
        program.stdout.readline()
        (pid,) = pids(tmp_path)
        warden = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(warden, signal.SIGKILL)
        assert ended(pid)
        program.kill()


def test_what_a_server_has_started_ends_with_it(tmp_path: Path) -> None:
    shell = " ".join(command("stays", tmp_path))
    program = [sys.executable, "-W", "error", "-c", PARENT, "waits", "sh", "-c", f"{shell}; true"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        started.stdout.readline()
        (pid,) = pids(tmp_path)
        started.kill()
        started.wait()
        assert ended(pid)
