"""The process that starts an MCP server and ends it with the program that wanted it, however that ends.

It is run as a file, by an interpreter that loads nothing else: `python warden.py PARENT COMMAND...`. The server
inherits its streams. Both are in one process group, which is killed as soon as the parent, a process id, is not this
process's parent any more; so is the server where this process is killed, on Linux.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

_WATCH_SECONDS = 0.2
_NOT_FOUND = 127
"""As shells have it."""
_PR_SET_PDEATHSIG = 1


def main() -> int:
    """Starts the command, waits for its end, and returns its exit code as shells have it."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    with_me = _with_me() if sys.platform == "linux" else None
    # The server decides what a polite signal to the group means; a handler, unlike SIG_IGN, is not inherited.
    signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        # No thread runs yet, so that something may be done between fork and exec.
        server = subprocess.Popen(command, preexec_fn=with_me)
    except (OSError, ValueError) as error:
        print(f"cannot start {command[0]!r}: {error}", file=sys.stderr)  # noqa: T201
        return _NOT_FOUND
    # What the server writes and reads is its own; held open here, its streams would seem to live on.
    for stream in (0, 1):
        os.close(stream)
    threading.Thread(target=_watch, args=(parent, server), daemon=True).start()
    code = server.wait()
    return code if code >= 0 else 128 - code


def _watch(parent: int, server: subprocess.Popen[bytes]) -> None:
    while os.getppid() == parent:
        time.sleep(_WATCH_SECONDS)
    server.kill()
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)  # this process too
    os._exit(1)


def _with_me() -> Callable[[], None]:
    """What a child does before it becomes the server: it asks to be killed with this process."""
    import ctypes

    prctl = ctypes.CDLL(None).prctl

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    return ask


if __name__ == "__main__":
    sys.exit(main())
