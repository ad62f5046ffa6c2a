"""Servers for tests, and what tells whether a process runs."""

from __future__ import annotations

import sys
import time
from pathlib import Path

PLAIN = Path(__file__).with_name("plain_server.py")


def command(habit: str, *more: object) -> tuple[str, ...]:
    """That of a plain server with a habit."""
    return (sys.executable, str(PLAIN), habit, *map(str, more))


def pids(folder: Path) -> list[int]:
    """Of the servers that were started with this folder."""
    found = folder / "pids"
    return list(map(int, found.read_text().split())) if found.exists() else []


def runs(pid: int) -> bool:
    """Whether a process is there and not only waits to be buried."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def ended(pid: int) -> bool:
    """Whether a process has ended, after a while."""
    until = time.monotonic() + 30
    while runs(pid) and time.monotonic() < until:
        time.sleep(0.01)
    return not runs(pid)
