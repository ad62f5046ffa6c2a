"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["Allow"]

Allow = Annotated[
    list[str] | None,
    typer.Option(help="A module that files may name, with all below it; may be repeated.", metavar="MODULE"),
]
