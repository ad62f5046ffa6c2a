"""Solving constraint problems in a warm process, which reads them and checks every solution again in Python."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import MappingProxyType, TracebackType
from typing import Any, Self

from ...errors import UsageError
from ...records.status import Status
from .check import Assignment
from .process import Ended, OutOfTime, SolverProcess
from .schema import MOST_BYTES, TOO_LONG, Problem

__all__ = ["SolverOutcome", "SymbolicWorker"]

_SOLVER_SHARE = 0.8
"""The share of the time that the solver may use; the rest is for reading the problem and for stopping."""


@dataclass(frozen=True, slots=True)
class SolverOutcome:
    """What came of a problem."""

    status: Status
    """ok: a solution was found and checked, the best one where there is an objective; unsat: it is proved that there is
    none; timeout: the clock ended it; parse_error: the text is no problem, and the reason says so to the model that
    wrote it; unknown: neither was shown within the limit of effort, which is the same on every machine, or the process
    crashed, or its solution does not survive the check."""
    assignment: Assignment = field(default_factory=lambda: MappingProxyType({}))
    """A value for every variable; empty unless the status is ok."""
    answer: str = ""
    """The assignment as the problem asks for it to be printed."""
    reason: str = ""
    """One line on why the status is not ok."""


class SymbolicWorker:
    """A few warm solver processes behind one queue; whoever owns it passes it on and closes it.

    Nothing starts before the first problem. Any number of threads and event loops may use it at once. A process that
    crashes or runs out of time is replaced at the next problem. A process that is forked from this one needs a worker
    of its own.

    Example:
        ```python
        with SymbolicWorker() as worker:
            outcome = await worker.solve(problem)
        ```

    Args:
        processes: how many problems are solved at once.
        memory: the limit of each process's address space in bytes, where the system has such a limit.
    """

    def __init__(self, *, processes: int = 1, memory: int = 2 * 1024**3) -> None:
        if processes < 1:
            raise UsageError(f"a symbolic worker needs at least one process, not {processes}")
        self._memory = memory
        self._threads = ThreadPoolExecutor(processes, thread_name_prefix="apportion-symbolic")
        self._lock = threading.Lock()
        self._idle: list[SolverProcess] = []
        self._busy: set[SolverProcess] = set()
        self._closed = False
        self._owner = os.getpid()

    async def solve(self, problem: Problem | str, seconds: float = 10.0) -> SolverOutcome:
        """Solves a problem; see `submit`."""
        return await asyncio.wrap_future(self.submit(problem, seconds))

    def submit(self, problem: Problem | str, seconds: float = 10.0) -> Future[SolverOutcome]:
        """Queues a problem, for callers without an event loop.

        A text is read in the solver's process, so that whatever a model wrote costs the caller nothing but its length.

        Args:
            problem: what to solve, as a problem or as its JSON.
            seconds: after this time the process is killed; waiting in the queue and starting up do not count.

        Raises:
            UsageError: the worker is closed, or was made by another process.
        """
        if os.getpid() != self._owner:
            raise UsageError("this symbolic worker was made by another process; make one in each process")
        if self._closed:
            raise UsageError("this symbolic worker is closed; make a new one")
        return self._threads.submit(self._solve, problem, seconds)

    def close(self) -> None:
        """Ends the processes. Problems still waiting get an outcome of status unknown."""
        with self._lock:
            self._closed = True
            busy = tuple(self._busy)
        for process in busy:
            process.kill()
        self._threads.shutdown()
        for process in self._idle:
            process.end()
        self._idle.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _solve(self, problem: Problem | str, seconds: float) -> SolverOutcome:
        text = problem if isinstance(problem, str) else problem.to_json()
        if len(text) > MOST_BYTES:
            return SolverOutcome(Status.PARSE_ERROR, reason=TOO_LONG)
        request = json.dumps({"problem": text, "seconds": seconds * _SOLVER_SHARE})
        try:
            process = self._take()
        except (Ended, OutOfTime) as error:
            return SolverOutcome(Status.UNKNOWN, reason=str(error) or "the solver process did not start in time")
        try:
            reply = process.ask(request, seconds)
        except OutOfTime:
            return SolverOutcome(Status.TIMEOUT, reason=f"stopped after {seconds:g} s")
        except Ended as error:
            return SolverOutcome(Status.UNKNOWN, reason="the worker was closed" if self._closed else str(error))
        finally:
            self._give(process)
        return _outcome(reply)

    def _take(self) -> SolverProcess:
        """A process that is alive, started where none waits.

        Raises:
            Ended: the worker is closed or the process cannot start.
            OutOfTime: it does not start in time.
        """
        process = None
        while process is None:
            with self._lock:
                if self._closed:
                    raise Ended("the worker was closed")
                process = self._idle.pop() if self._idle else None
            if process is None:
                process = SolverProcess(self._memory)
            elif not process.alive:
                process.end()
                process = None
        with self._lock:
            if not self._closed:
                self._busy.add(process)
                return process
        process.end()
        raise Ended("the worker was closed")

    def _give(self, process: SolverProcess) -> None:
        with self._lock:
            self._busy.discard(process)
            if process.alive and not self._closed:
                self._idle.append(process)
                return
        process.end()


def _outcome(text: str) -> SolverOutcome:
    """Reads what the process said."""
    try:
        reply: dict[str, Any] = json.loads(text)
        status = Status(reply["status"])
        if status is not Status.OK:
            return SolverOutcome(status, reason=str(reply.get("reason", "")))
        assignment: dict[str, bool | int | str] = dict(reply["assignment"])
        return SolverOutcome(status, MappingProxyType(assignment), str(reply["answer"]))
    except (ValueError, KeyError, TypeError):
        return SolverOutcome(Status.UNKNOWN, reason=f"the solver process said something else: {text[:100]!r}")
