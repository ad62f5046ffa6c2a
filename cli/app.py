"""The commands as one program, and what their errors look like."""

from __future__ import annotations

import sys

import typer

from ..errors import ApportionError, BudgetBreach, Infeasible
from . import demo, models, optimize, runs, show, tokens
from . import run as run_command

__all__ = ["app", "run"]

app = typer.Typer(
    name="apportion",
    help="Which model answers each step of an agent graph, with how much compute, under one hard token cap.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("demo")(demo.command)
app.command("optimize")(optimize.command)
app.command("run")(run_command.command)
app.command("runs")(runs.command)
app.command("show")(show.command)
app.command("models")(models.command)
app.add_typer(tokens.app, name="tokens")


def run(arguments: list[str] | None = None) -> int:
    """Runs a command and returns its exit code: 0 ok, 2 usage, 3 infeasible, 4 budget breach."""
    try:
        app(args=arguments)
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 0
    except Infeasible as error:
        return _complain(str(error), 3)
    except BudgetBreach as error:
        return _complain(str(error), 4)
    except ApportionError as error:
        return _complain(str(error), 2)
    except KeyboardInterrupt:
        return _complain("stopped; what was settled is kept, and the same command goes on from there", 130)
    return 0


def _complain(message: str, code: int) -> int:
    for line in message.splitlines():
        print(f"apportion: {line}", file=sys.stderr)
    return code
