"""The process that solves: JSON lines in, JSON lines out, nothing else.

It is started by `solve.SymbolicWorker` as a module, in its own session, with an empty environment and an empty
folder, which it removes. It limits its own memory, files and processor time before it reads the first problem, and
ends when its parent does, however that ends and whatever it is solving.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from typing import Any

try:
    import resource
except ImportError:  # There are no such limits on Windows; the memory and time limits of the solver itself remain.
    resource = None  # type: ignore[assignment]

__all__ = ["main", "serve"]

_STDERR_BYTES = 64 * 1024
_OPEN_FILES = 32
_SPARE_CPU_SECONDS = 5
_WATCH_SECONDS = 0.5
_PIECE_BYTES = 64 * 1024


def main() -> None:
    """Answers problems until its input ends; see `serve` for the arguments."""

    def load() -> Callable[[Any, int], Mapping[str, object]]:
        from .solving import solve_text

        return lambda request, memory: solve_text(request["problem"], request["seconds"], memory=memory)

    serve(load)


def serve(load: Callable[[], Callable[[Any, int], Mapping[str, object]]]) -> None:
    """Answers requests until the input ends, each within its `seconds`.

    The arguments of the process are the memory limit in bytes and the process id of its parent.

    Args:
        load: imports what answers, before the limits are set: from a request and the memory limit to a reply.
    """
    memory, parent = int(sys.argv[1]), int(sys.argv[2])
    with contextlib.suppress(OSError):  # Windows keeps the folder of a process that runs; there the parent removes it.
        os.rmdir(os.getcwd())
    lines: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_read, args=(lines,), daemon=True).start()
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # Whatever a library prints goes to the error stream, never between the replies.
    os.dup2(2, 1)
    answer = load()
    _limit(memory)
    _reply(replies, {"status": "ready"})
    while True:
        request = json.loads(lines.get())
        _limit_processor(request["seconds"])
        try:
            reply = answer(request, memory)
        except MemoryError:
            reply = {"status": "unknown", "reason": f"the problem needs more than {memory:,} bytes of memory"}
        _reply(replies, reply)


def _read(lines: SimpleQueue[bytes]) -> None:
    """Passes the input on, and ends the process with it, also in the middle of a search."""
    rest = b""
    # Not through `sys.stdin`: an interpreter that ends by an error would abort over the lock that this thread holds.
    while piece := os.read(0, _PIECE_BYTES):
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            lines.put(line)
    os._exit(0)


def _watch(parent: int) -> None:
    """Ends the process with its parent, where a fork of that holds the other end of the input open."""
    while os.getppid() == parent:
        time.sleep(_WATCH_SECONDS)
    os._exit(0)


def _reply(replies: Any, reply: Mapping[str, object]) -> None:
    replies.write(json.dumps(reply) + "\n")
    replies.flush()


def _limit(memory: int) -> None:
    if resource is None:
        return
    wanted = (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, _STDERR_BYTES),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    )
    for kind, value in wanted:
        _lower(kind, value)


def _lower(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    ceiling = value if hard == resource.RLIM_INFINITY else min(value, hard)
    try:
        resource.setrlimit(kind, (ceiling, ceiling))
    except (ValueError, OSError) as error:  # Some systems know a limit but do not let it be set.
        print(f"limit {kind} was not set: {error}", file=sys.stderr)  # noqa: T201


def _limit_processor(seconds: float) -> None:
    """The limit counts from the start of the process, so it moves with every problem."""
    if resource is None:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    wanted = int(time.process_time() + seconds) + _SPARE_CPU_SECONDS
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


if __name__ == "__main__":
    main()
