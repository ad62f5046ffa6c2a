"""Nodes of an app that a plan may leave out."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

from .run import run_of_context

__all__ = ["skippable", "skippable_name"]

F = TypeVar("F", bound=Callable[..., Any])
_MARK = "__apportion_skippable__"


def skippable(name: str) -> Callable[[F], F]:
    """Marks a node of an app as one that a plan may leave out: whether it runs is a knob.

    A node that is left out returns None, which changes nothing in LangGraph's state. Outside a run it always runs::

        graph.add_node("rerank", skippable("rerank")(rerank))

    Args:
        name: of the knob's node; usually the node's own name.
    """

    def mark(function: F) -> F:
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run(*args: Any, **kwargs: Any) -> Any:
                return None if _skipped(name) else await function(*args, **kwargs)
        else:

            @functools.wraps(function)
            def run(*args: Any, **kwargs: Any) -> Any:
                return None if _skipped(name) else function(*args, **kwargs)

        setattr(run, _MARK, name)
        return cast(F, run)

    return mark


def skippable_name(function: object) -> str | None:
    """The name under which a function was marked, where it was."""
    found = getattr(function, _MARK, None)
    return found if isinstance(found, str) else None


def _skipped(name: str) -> bool:
    run = run_of_context()
    return run is not None and run.skips(name)
