"""One warm solver process, as its parent sees it."""

from __future__ import annotations

import os
import shutil
import signal
import site
import subprocess
import sys
import tempfile
import threading
import weakref
from typing import IO

__all__ = ["Ended", "OutOfTime", "SolverProcess"]

_START_SECONDS = 120.0
"""How long the start may take; it imports the solver, which takes a second on an idle machine."""
_EXIT_SECONDS = 2.0
"""How long a process that closed its output may take to exit."""
_REPLY_BYTES = 4 * 1024 * 1024
"""More than the longest honest reply: 2,000 names and labels of at most 64 characters, escaped."""
_KEPT = ("SYSTEMROOT", "APPDATA", "USERPROFILE", "TEMP", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""What an interpreter may need to start; no key or token is ever among these."""


class Ended(Exception):
    """The process is gone; the text says how it ended."""


class OutOfTime(Exception):
    """The process gave no reply in time and was killed."""


class SolverProcess:
    """A Python interpreter that solves one problem after another. For use by one thread at a time.

    Args:
        memory: the limit of its address space in bytes, where the system has such a limit.
        module: what it runs, in the manner of `worker`.

    Raises:
        Ended: it could not start; the text names the cause.
        OutOfTime: the start took too long.
    """

    def __init__(self, memory: int, module: str = f"{__package__}.worker") -> None:
        folder = tempfile.mkdtemp(prefix="apportion-solver-")
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process; `_end` closes it.
        try:
            popen = subprocess.Popen(
                [sys.executable, *_isolation(), "-m", module, str(memory), str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=folder,
                env=_environment(),
                start_new_session=True,
            )
        except OSError as error:
            errors.close()
            shutil.rmtree(folder, ignore_errors=True)
            raise Ended(f"the solver process could not be started: {error}") from None
        self._popen = popen
        self._errors = errors
        # Also runs at interpreter exit and when an owner is forgotten, so that no process or folder stays behind.
        self._end = weakref.finalize(self, _end, popen, errors, folder, os.getpid())
        try:
            self._exchange(None, _START_SECONDS)
        except Exception:
            self.end()
            raise

    @property
    def pid(self) -> int:
        """The process id."""
        return self._popen.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._end.alive and self._popen.poll() is None

    def ask(self, request: str, seconds: float) -> str:
        """Sends one line and returns the line that comes back.

        Raises:
            OutOfTime: no reply within `seconds`; the process has been killed.
            Ended: the process died; the text names the signal or exit code and its last words.
        """
        return self._exchange(request, seconds)

    def kill(self) -> None:
        """Stops it at once, from any thread; a thread that waits in `ask` gets `Ended`."""
        self._popen.kill()

    def end(self) -> None:
        """Stops it and releases its pipes and folder."""
        self._end()

    def _exchange(self, request: str | None, seconds: float) -> str:
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        late = threading.Event()

        def stop() -> None:
            late.set()
            self._popen.kill()

        timer = threading.Timer(seconds, stop)
        timer.daemon = True
        timer.start()
        try:
            if request is not None:
                self._popen.stdin.write(request.encode() + b"\n")
                self._popen.stdin.flush()
            reply = self._popen.stdout.readline(_REPLY_BYTES)
        except OSError:
            reply = b""
        finally:
            timer.cancel()
        if reply.endswith(b"\n"):
            return reply.decode()
        code = self._exit_code()
        if late.is_set() or code == -getattr(signal, "SIGXCPU", 0) != 0:
            raise OutOfTime
        raise Ended(self._last_words(code))

    def _exit_code(self) -> int:
        """Of a process that fell silent: its own where it is about to exit, else that of killing it."""
        try:
            return self._popen.wait(_EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            return self._popen.wait()

    def _last_words(self, code: int) -> str:
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        said = f": {lines[-1][:300]}" if lines else ""
        if "ModuleNotFoundError" in said or "ImportError" in said:
            said += " (the solver process sees installed packages only, not PYTHONPATH; install the package)"
        return f"the solver process ended with {how}{said}"


def _isolation() -> tuple[str, ...]:
    """Interpreter flags that keep out the current folder and PYTHON* variables.

    `-I` would also hide the user's own site folder, which is right exactly where this interpreter does not use it.
    """
    return ("-E", "-P") if site.ENABLE_USER_SITE else ("-I",)


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return kept | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def _end(popen: subprocess.Popen[bytes], errors: IO[bytes], folder: str, owner: int) -> None:
    # A forked child holds a copy of this object, but the process is not its own to end.
    if os.getpid() != owner:
        return
    popen.kill()
    popen.wait()
    for pipe in (popen.stdin, popen.stdout):
        assert pipe is not None
        try:
            pipe.close()
        except BrokenPipeError:
            # An unsent line for a process that is gone; closing has released the pipe all the same.
            continue
    errors.close()
    shutil.rmtree(folder, ignore_errors=True)
