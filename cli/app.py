"""The commands as one program, and what their errors look like."""

from __future__ import annotations

import warnings
from typing import Annotated, TextIO

import typer

from ..errors import ApportionError, BudgetBreach, Infeasible
from . import demo, fit, models, optimize, pocket, runs, show, simulate, tokens
from . import run as run_command
from .names import FitCommand, OptimizeCommand
from .output import any_encoding, complain, say

__all__ = ["app", "run"]

_INTERRUPTED = 130

app = typer.Typer(
    name="apportion",
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
app.command("runs")(runs.command)
app.command("show")(show.command)
app.command("fit", cls=FitCommand)(fit.command)
app.command("simulate")(simulate.command)
app.command("models")(models.command)
app.add_typer(tokens.app, name="tokens")
app.add_typer(pocket.app, name="pocket")


def run(arguments: list[str] | None = None) -> int:
    """Runs a command and returns its exit code: 0 ok, 2 usage, 3 infeasible, 4 budget breach, 130 interrupted."""
    with any_encoding(), warnings.catch_warnings():
        warnings.showwarning = _warn
        return _run(arguments)


def _run(arguments: list[str] | None) -> int:
    try:
        app(args=arguments)
    except SystemExit as leaving:
        if leaving.code == _INTERRUPTED:  # typer makes this of a KeyboardInterrupt
            return _complain(
                "stopped; what was settled is kept, and a search started again goes on from there", _INTERRUPTED
            )
        return leaving.code if isinstance(leaving.code, int) else 0
    except Infeasible as error:
        return _complain(str(error), 3)
    except BudgetBreach as error:
        return _complain(str(error), 4)
    except ApportionError as error:
        return _complain(str(error), 2)
    return 0


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


def _complain(message: str, code: int) -> int:
    complain(message)
    return code
