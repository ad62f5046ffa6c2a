"""A process of its own in which a metric does what may hang or grow."""

from __future__ import annotations

import json
import os
import threading
from typing import Any

from ..errors import UsageError
from ..nodes.symbolic.process import Ended, OutOfTime, SolverProcess

__all__ = ["OwnProcess"]

_PATIENCE_SECONDS = 60.0
"""How long a reply is waited for. The process itself counts the processor's time, so that no answer is graded otherwise
where the machine is busy; this is for one that neither answers nor computes."""


class OwnProcess:
    """Runs a module as a process, from the first request on; it answers one request at a time, from any thread.

    Where the process has ended, or this one is a fork of the one that started it, the next request starts another.

    Args:
        memory: the limit of its address space in bytes, where the system has such a limit.
        module: what it runs, in the manner of `nodes.symbolic.worker`.
    """

    def __init__(self, memory: int, module: str) -> None:
        self._memory = memory
        self._module = module
        self._lock = threading.Lock()
        self._process: SolverProcess | None = None
        self._owner = 0

    def ask(self, request: object) -> Any:
        """The reply to a request, both JSON values.

        Raises:
            OutOfTime: it took far more of the processor's time than the request allows, or is silent for a minute; the
                process has been killed.
            Ended: it died over the request; the text names the cause.
            UsageError: none can be started, which says nothing of what was to be graded.
        """
        with self._lock:
            if self._process is None or self._owner != os.getpid() or not self._process.alive:
                self._process, self._owner = self._started(), os.getpid()
            return json.loads(self._process.ask(json.dumps(request), _PATIENCE_SECONDS))

    def _started(self) -> SolverProcess:
        self._process = None
        try:
            return SolverProcess(self._memory, self._module)
        except OutOfTime:
            cause = "it is not ready in time"
        except Ended as ended:
            cause = str(ended)
        raise UsageError(f"the process {self._module!r} of a metric cannot be started, so nothing is graded: {cause}")

    def close(self) -> None:
        """Ends the process; the next request starts another."""
        with self._lock:
            if self._process is not None:
                self._process.end()
                self._process = None
