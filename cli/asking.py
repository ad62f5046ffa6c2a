"""What the commands that read a database share: which runs are meant, and by what beginning of a name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UsageError

if TYPE_CHECKING:
    from ..stores.questions import RunFilter
    from ..stores.store import Store

__all__ = ["Database", "OfFamily", "OfPart", "OfPlan", "OfStudy", "reading", "whole_name", "with_whole_names"]

Database = Annotated[str, typer.Option(help="SQLite file.")]
OfStudy = Annotated[str | None, typer.Option(help="Only of this study: its id, or how it begins.", metavar="ID")]
OfPlan = Annotated[str | None, typer.Option(help="Only under this plan: its hash, or how it begins.", metavar="HASH")]
OfFamily = Annotated[str | None, typer.Option(help="Only of questions of this family.")]
OfPart = Annotated[str | None, typer.Option(help="Only of this part of the dev set: fit, validation, test, headroom.")]


_LISTING = {"study": "studies", "plan": "stats --by plan", "run": "runs"}
"""By what has a name: the command that lists them."""


@contextmanager
def reading(db: str) -> Iterator[Store]:
    """The store in a file, to read from."""
    from ..stores.opening import open_store

    store = open_store(db, read_only=True)
    try:
        yield store
    finally:
        store.close()


def whole_name(what: str, beginning: str, store: Store) -> str:
    """The id of the study or the run, or the hash of the plan, that begins so.

    Raises:
        UsageError: there is none, or more than one.
    """
    from ..stores.questions import names_that_begin

    asked = names_that_begin(what, beginning)
    found = [name for (name,) in store.query(asked.sql, asked.parameters).rows] if beginning else []
    if len(found) != 1 and beginning not in found:
        number = f"more than one {what}" if found else f"no {what}"
        raise UsageError(
            f"{number} in {store.location} begins with {beginning!r}; `apportion {_LISTING[what]}` lists them"
        )
    return str(found[0])


def with_whole_names(which: RunFilter, store: Store) -> RunFilter:
    """A filter with the whole names of its study and its plan.

    Raises:
        UsageError: there is none of that beginning, or more than one.
    """
    from dataclasses import replace

    study = None if which.study is None else whole_name("study", which.study, store)
    plan = None if which.plan is None else whole_name("plan", which.plan, store)
    return replace(which, study=study, plan=plan)
