"""`python -m benchmarks.proof [OPTION ...]`."""

from __future__ import annotations

import typer

from apportion import ApportionError
from apportion.cli.output import any_encoding, complain

from .command import command


def main() -> None:
    """Runs the proof; an error of the package is one line."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)
    with any_encoding():
        try:
            app()
        except ApportionError as error:
            complain(str(error))
            raise SystemExit(1) from None


if __name__ == "__main__":
    main()
