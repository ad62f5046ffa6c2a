"""One server for all that use it at the same time in this process."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from .pipes import Launch
from .server import ToolServer

__all__ = ["leased"]

_LOCK = threading.Lock()
_RUNNING: dict[tuple[int, Launch], tuple[ToolServer, int]] = {}
"""By process, as a fork has none of its parent's threads, and launch: the server, and how many use it."""

if hasattr(os, "register_at_fork"):  # a fork must not find the lock held by a thread that it does not have
    os.register_at_fork(before=_LOCK.acquire, after_in_parent=_LOCK.release, after_in_child=_LOCK.release)


@contextmanager
def leased(launch: Launch) -> Iterator[ToolServer]:
    """The server of a launch, which others may use too; it ends when the last of them has left.

    It is not started by this, but by its first use.
    """
    key = os.getpid(), launch
    with _LOCK:
        server, users = _RUNNING.get(key) or (ToolServer(launch), 0)
        _RUNNING[key] = server, users + 1
    try:
        yield server
    finally:
        with _LOCK:
            server, users = _RUNNING.pop(key)
            if users > 1:
                _RUNNING[key] = server, users - 1
        if users == 1:
            server.close()
