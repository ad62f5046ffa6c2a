"""The commands as one program, and what their errors look like."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import warnings
from io import StringIO
from types import FrameType
from typing import Annotated, Protocol, Self, TextIO, runtime_checkable

import typer

from ..errors import ApportionError, BudgetBreach, Infeasible
from . import (
    demo,
    diff,
    draw,
    fit,
    gc,
    models,
    optimize,
    pocket,
    proxy,
    runs,
    serve,
    show,
    simulate,
    sql,
    stats,
    studies,
    tokens,
)
from . import run as run_command
from .names import FitCommand, OptimizeCommand
from .output import any_encoding, complain, relay, say

__all__ = ["app", "run"]

_INTERRUPTED = 130
_TERMINATED = 143
_EXIT_CODES = (
    "Exit codes: 0 ok, 2 usage, 3 infeasible, 4 budget breach, 5 no answer (run), 130 interrupted (Ctrl-C), "
    "143 terminated (SIGTERM)."
)

app = typer.Typer(
    name="apportion",
    epilog=_EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        say(version("apportion"))
        raise typer.Exit


@app.callback()
def program(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Which model answers each step of an agent graph, with how much compute, under one hard token cap."""


app.command("demo")(demo.command)
app.command("optimize", cls=OptimizeCommand)(optimize.command)
app.command("run")(run_command.command)
app.command("draw")(draw.command)
app.command("studies")(studies.command)
app.command("runs")(runs.command)
app.command("show")(show.command)
app.command("diff")(diff.command)
app.command("stats")(stats.command)
app.command("sql")(sql.command)
app.command("gc")(gc.command)
app.command("fit", cls=FitCommand)(fit.command)
app.command("simulate")(simulate.command)
app.command("serve")(serve.command)
app.add_typer(models.app, name="models")
app.add_typer(tokens.app, name="tokens")
app.add_typer(pocket.app, name="pocket")
app.add_typer(proxy.app, name="proxy")


def run(arguments: list[str] | None = None) -> int:
    """Runs a command and returns its exit code, one of those that the help names."""
    with any_encoding(), warnings.catch_warnings(), _Terminations() as terminations:
        warnings.showwarning = _warn
        return _flushed(_run(arguments, terminations))


class _Terminations:
    """Makes SIGTERM end a command as Ctrl-C does, so that what was reserved is settled and what is open is closed.

    Once: who asks a second time while that is being done does not interrupt it.
    """

    came = False

    def __enter__(self) -> Self:
        self._heeded = threading.current_thread() is threading.main_thread()
        if self._heeded:
            self._before = signal.signal(signal.SIGTERM, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        if self._heeded:
            signal.signal(signal.SIGTERM, self._before)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if not self.came:
            self.came = True
            raise KeyboardInterrupt


@runtime_checkable
class _WrongUse(Protocol):
    """What typer raises of arguments that it cannot take; which class that is, depends on its version."""

    exit_code: int

    def show(self, file: TextIO) -> None: ...


def _run(arguments: list[str] | None, terminations: _Terminations) -> int:
    try:
        code = _program(arguments)
        if code == _INTERRUPTED:  # typer makes this of a KeyboardInterrupt
            return _complain(
                "stopped; what was settled is kept, and a search started again goes on from there",
                _TERMINATED if terminations.came else _INTERRUPTED,
            )
        return code
    except OSError as error:
        if error.filename is not None:
            raise
        return _unprinted(error, 0)
    except Infeasible as error:
        return _complain(str(error), 3)
    except BudgetBreach as error:
        return _complain(str(error), 4)
    except ApportionError as error:
        return _complain(str(error), 2)


def _program(arguments: list[str] | None) -> int:
    """Runs the command that the arguments name, and returns its exit code."""
    try:
        code = app(args=arguments, standalone_mode=False)
    except SystemExit as leaving:
        code = leaving.code
    except typer.Abort:
        return _complain("stopped", 1)
    except Exception as error:
        if not isinstance(error, _WrongUse):
            raise
        said = StringIO()
        error.show(said)
        relay(said.getvalue())
        return error.exit_code
    return code if isinstance(code, int) else 0


def _warn(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    if not issubclass(category, DeprecationWarning | PendingDeprecationWarning):  # those are for who wrote the code
        complain(str(message))


def _flushed(code: int) -> int:
    """The exit code of a command, once what it printed has been written."""
    try:
        if sys.stdout is not None:  # it is where the standard output was closed
            sys.stdout.flush()
    except OSError as error:
        return _unprinted(error, code)
    return code


def _unprinted(error: OSError, code: int) -> int:
    """The exit code where the output cannot be written."""
    # Else the interpreter tries again at its end, and complains then.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if error.errno == errno.EPIPE:  # whoever reads through a pipe has read enough
        return code
    return _complain(f"the output cannot be written ({error.strerror}); `runs` and `show` print what was answered", 2)


def _complain(message: str, code: int) -> int:
    complain(message)
    return code
