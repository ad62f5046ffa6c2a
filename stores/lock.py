"""A lock file that lets processes write in turn.

SQLite's own waiting is a lottery: with eight writers some wait half a second. A lock on a file beside the database is
granted nearly in order. It is for fairness only; `BEGIN IMMEDIATE` is what keeps writers apart.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["TurnLock"]

if sys.platform == "win32":

    class TurnLock:
        """Does nothing where there is no `flock`."""

        def __init__(self, path: str) -> None:
            self.path = path

        @contextmanager
        def held(self) -> Iterator[None]:
            """Holds the lock within a `with` block."""
            yield

        def close(self) -> None:
            """Lets go of the file."""

else:
    import fcntl

    class TurnLock:
        """Holds the lock of one database. Not for several threads at once.

        Args:
            path: of the lock file; made where missing, and left behind, because removing it would race.
        """

        def __init__(self, path: str) -> None:
            self.path = path
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

        @contextmanager
        def held(self) -> Iterator[None]:
            """Holds the lock within a `with` block."""
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)

        def close(self) -> None:
            """Lets go of the file."""
            os.close(self._descriptor)
