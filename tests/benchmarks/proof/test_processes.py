from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.proof.processes import in_processes

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import os, sys, time
from pathlib import Path
from benchmarks.proof.processes import in_processes

def work(place):
    Path(place, str(os.getpid())).touch()
    time.sleep(60)

if __name__ == "__main__":
    list(in_processes(work, [sys.argv[1]] * 2, 2))
"""


def runs(pid: int) -> bool:
    """Whether a process is there and not only waits to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_what_comes_of_each_job_in_order() -> None:
    for processes in (1, 2):
        assert list(in_processes(abs, [-3, 2, -1], processes)) == [3, 2, 1]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_processes_end_with_their_parent(number: signal.Signals, tmp_path: Path) -> None:
    program, place = tmp_path / "program.py", tmp_path / "workers"
    program.write_text(PROGRAM)
    place.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, str(program), str(place)], env=environment) as parent:
        until = time.monotonic() + 60
        while len(workers := [int(path.name) for path in place.iterdir()]) < 2 and time.monotonic() < until:
            time.sleep(0.02)
        assert len(workers) == 2
        parent.send_signal(number)
        parent.wait()
        until = time.monotonic() + 30
        while any(map(runs, workers)) and time.monotonic() < until:
            time.sleep(0.02)
        assert not any(map(runs, workers))
