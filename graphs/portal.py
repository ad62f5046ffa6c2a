"""The sync face: runs async code from sync code, also where an event loop is running already."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from anyio.from_thread import start_blocking_portal

__all__ = ["run_sync"]

T = TypeVar("T")


def run_sync(function: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> T:
    """Calls an async function on a thread with a loop of its own and returns its result.

    It works in notebooks and servers, whose thread has a running loop. An interrupt cancels the function, which then
    settles what it has reserved.
    """
    with start_blocking_portal() as portal:
        return portal.call(partial(function, *args, **kwargs))
