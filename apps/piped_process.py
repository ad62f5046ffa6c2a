"""A process that is spoken to by pipes, and leads a group of its own, so that its end takes its children along."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from asyncio.subprocess import SubprocessStreamProtocol
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

__all__ = ["KILL", "PipedProcess", "started"]

KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
"""The signal that no process withstands."""


@dataclass(frozen=True, slots=True)
class PipedProcess:
    """See `started`."""

    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader
    stderr: asyncio.StreamReader
    ended: asyncio.Event
    """Set when the process itself has ended; `asyncio.subprocess.Process.wait` may wait for all who hold its pipes."""
    _transport: asyncio.SubprocessTransport

    @property
    def returncode(self) -> int | None:
        """As `subprocess.Popen` has it; None while it runs."""
        return self._transport.get_returncode()

    async def ends_within(self, seconds: float) -> bool:
        """Waits for its end, at most so long."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.ended.wait(), seconds)
        return self.ended.is_set()

    def signal(self, number: int) -> None:
        """Sends a signal to its group, also to what it has left behind there; to itself alone on Windows."""
        with suppress(ProcessLookupError, PermissionError):
            if os.name == "posix":
                os.killpg(self._transport.get_pid(), number)
            else:
                self._transport.send_signal(number)

    def close(self) -> None:
        """Closes this end of its pipes, which a process that took itself out of the group may hold for ever."""
        self._transport.close()


async def started(command: Sequence[str], env: Mapping[str, str], folder: str | None = None) -> PipedProcess:
    """Starts a process.

    Args:
        command: the program and its arguments.
        env: its environment variables, all of them.
        folder: in which it works; None: the current one.

    Raises:
        OSError, ValueError: it cannot be started.
    """
    loop = asyncio.get_running_loop()
    transport, watch = await loop.subprocess_exec(
        partial(_Watch, loop),
        *command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=dict(env),
        start_new_session=True,
    )
    assert watch.stdin is not None
    assert watch.stdout is not None
    assert watch.stderr is not None
    return PipedProcess(watch.stdin, watch.stdout, watch.stderr, watch.ended, transport)


class _Watch(SubprocessStreamProtocol):
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=65_536, loop=loop)
        self.ended = asyncio.Event()

    def process_exited(self) -> None:
        """See `SubprocessProtocol`."""
        super().process_exited()
        self.ended.set()
