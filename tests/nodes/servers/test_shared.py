from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from apportion.nodes.servers.pipes import Launch
from apportion.nodes.servers.shared import leased

from .plain import command, ended, pids


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_server_is_one_for_all_that_use_it_and_ends_with_the_last(tmp_path: Path) -> None:
    launch = Launch(command("honest", tmp_path), (), os.getcwd(), 30.0)
    other = Launch(command("honest", tmp_path), (), os.getcwd(), 31.0)
    with leased(launch) as one, leased(launch) as two, leased(other) as three:
        assert one is two
        assert three is not one
        assert pids(tmp_path) == []  # nobody has needed it yet
        asyncio.run(one.tools())
        asyncio.run(two.tools())
        (pid,) = pids(tmp_path)
        with leased(launch) as again:
            assert again is one
        asyncio.run(one.tools())
        assert len(pids(tmp_path)) == 1
    assert ended(pid)
    with leased(launch) as later:
        asyncio.run(later.tools())
        assert len(pids(tmp_path)) == 2


def test_an_error_within_a_lease_ends_it(tmp_path: Path) -> None:
    launch = Launch(command("honest", tmp_path), (), os.getcwd(), 30.0)
    with pytest.raises(RuntimeError), leased(launch) as one:
        raise RuntimeError
    with leased(launch) as two:
        assert two is not one


FORKS = """
import os, threading, time
from apportion.nodes.servers import shared
from apportion.nodes.servers.pipes import Launch

held = threading.Event()

def hold():
    with shared._LOCK:
        held.set()
        time.sleep(0.5)

threading.Thread(target=hold).start()
held.wait()
if os.fork() == 0:
    with shared.leased(Launch(("none",), (), "/", 1.0)):
        os._exit(7)
with shared.leased(Launch(("none",), (), "/", 1.0)):
    print(os.waitstatus_to_exitcode(os.wait()[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
def test_a_fork_while_another_thread_takes_a_lease_can_take_one() -> None:
    command = [sys.executable, "-W", "ignore", "-c", FORKS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "7\n"
