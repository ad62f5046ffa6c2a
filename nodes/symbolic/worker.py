"""The process that solves: JSON lines in, JSON lines out, nothing else.

It is started by `solve.SymbolicWorker` as a module, in its own session, with an empty environment and an empty
folder. It limits its own memory, files and processor time before it reads the first problem.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

try:
    import resource
except ImportError:  # There are no such limits on Windows; the memory and time limits of the solver itself remain.
    resource = None  # type: ignore[assignment]

__all__ = ["main", "serve"]

_STDERR_BYTES = 64 * 1024
_OPEN_FILES = 32
_SPARE_CPU_SECONDS = 5


def main() -> None:
    """Answers problems until its input ends. The first argument is the memory limit in bytes."""

    def load() -> Callable[[Any, int], Mapping[str, object]]:
        from .solving import solve_text

        return lambda request, memory: solve_text(request["problem"], request["seconds"], memory=memory)

    serve(load)


def serve(load: Callable[[], Callable[[Any, int], Mapping[str, object]]]) -> None:
    """Answers requests until the input ends, each within its `seconds`.

    Args:
        load: imports what answers, before the limits are set: from a request and the memory limit to a reply.
    """
    memory = int(sys.argv[1])
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # Whatever a library prints goes to the error stream, never between the replies.
    os.dup2(2, 1)
    answer = load()
    _limit(memory)
    _reply(replies, {"status": "ready"})
    for line in sys.stdin.buffer:
        request = json.loads(line)
        _limit_processor(request["seconds"])
        try:
            reply = answer(request, memory)
        except MemoryError:
            reply = {"status": "unknown", "reason": f"the problem needs more than {memory:,} bytes of memory"}
        _reply(replies, reply)


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
