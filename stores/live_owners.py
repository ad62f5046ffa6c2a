"""Who holds reservations, and whether he still lives.

An owner is one opened store in one process. On this machine a process is known by its id and the moment it started,
so an ended one is found out at once; one on another machine, or in another container, by a heartbeat that stopped.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

__all__ = [
    "GRACE_SECONDS",
    "HEARTBEAT_SECONDS",
    "Owner",
    "_host",
    "alive_owners",
    "beat",
    "dead_owners",
    "register",
]

HEARTBEAT_SECONDS = 5.0
GRACE_SECONDS = 15.0
"""How long the heartbeat of an owner that cannot be looked at may be late."""


@dataclass(frozen=True, slots=True)
class Owner:
    """One opened store."""

    owner_id: str
    host: str
    process_id: int
    process_started: str

    @property
    def tells_restarts(self) -> bool:
        """Whether `host` changes where the machine is started anew, so that a process of before is no process of it."""
        return "/" in self.host

    @classmethod
    def this(cls) -> Owner:
        """A new owner in this process."""
        process_id = os.getpid()
        return cls(f"{process_id}-{uuid.uuid4().hex[:12]}", _host(), process_id, _process_started(process_id))


def _host() -> str:
    """Names the set of processes whose ids can be compared: the machine since its start, and the container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        # Not Linux.
        return socket.gethostname()


def _process_started(process_id: int) -> str:
    """Clock ticks from the machine's start to the process's, or an empty string where that is not told."""
    try:
        line = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # The second field is the program's name in parentheses, and may hold spaces; the start is field 22.
    fields = line[line.rindex(")") + 2 :].split()
    return "" if fields[0] in ("Z", "X") else fields[19]


def register(connection: Connection, owner: Owner) -> None:
    """Enters an owner as alive."""
    connection.exec_driver_sql(
        "INSERT INTO owner (owner_id, host, process_id, process_started, heartbeat_at, state) "
        "VALUES (?, ?, ?, ?, ?, 'alive')",
        (owner.owner_id, owner.host, owner.process_id, owner.process_started, time.time()),
    )


def beat(connection: Connection, owner_id: str) -> None:
    """Tells the others that the owner lives, also those who held it for dead."""
    connection.exec_driver_sql(
        "UPDATE owner SET heartbeat_at = ?, state = 'alive' WHERE owner_id = ?", (time.time(), owner_id)
    )


def dead_owners(connection: Connection, this: Owner) -> dict[str, bool]:
    """Owners that neither closed nor live, and of each whether its process is known to have ended.

    Of the others nothing was heard for too long; they may have been late only, and have reserved since.
    """
    rows = connection.exec_driver_sql(
        "SELECT owner_id, host, process_id, process_started, heartbeat_at FROM owner WHERE owner_id <> ? AND "
        "(state = 'alive' OR owner_id IN (SELECT owner_id FROM reservation WHERE state = 'open'))",
        (this.owner_id,),
    )
    ends = {name: _ended(this, *known) for name, *known in rows}
    return {name: known for name, known in ends.items() if known is not None}


def alive_owners(connection: Connection) -> set[str]:
    """Owners that did not close."""
    rows = connection.exec_driver_sql("SELECT owner_id FROM owner WHERE state = 'alive'")
    return {name for (name,) in rows}


def _ended(this: Owner, host: str, process_id: int, process_started: str, heartbeat_at: float) -> bool | None:
    """None of an owner that lives; else whether that is known, and not only to be taken from its silence."""
    if host == this.host:
        started = _process_started(process_id)
        if process_started:
            return None if started == process_started else True
        if not _exists(process_id):
            return True
    # The clock may have been set back: a heartbeat from the future says nothing, so it counts as fresh.
    return None if time.time() - heartbeat_at < GRACE_SECONDS else False


def _exists(process_id: int) -> bool:
    if os.name != "posix":
        return True  # os.kill would end the process here; its heartbeat decides
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
