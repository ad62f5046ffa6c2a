"""The sync face: runs async code from sync code, also where an event loop is running already."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

from anyio.from_thread import start_blocking_portal

__all__ = ["in_sync", "run_closing", "run_sync"]

P = ParamSpec("P")
T = TypeVar("T")


def run_sync(function: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> T:
    """Calls an async function on a thread with a loop of its own and returns its result.

    It works in notebooks and servers, whose thread has a running loop. An interrupt cancels the function, which then
    settles what it has reserved.
    """
    with start_blocking_portal() as portal:
        return portal.call(partial(function, *args, **kwargs))


def in_sync(function: Callable[P, Awaitable[T]]) -> Callable[P, T]:
    """An async function for sync code, with the same arguments; its name loses `_async`."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return run_sync(function, *args, **kwargs)

    call.__name__ = call.__qualname__ = function.__name__.removesuffix("_async")
    return call


def run_closing(
    close: Callable[[], Awaitable[None]], function: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any
) -> T:
    """As `run_sync`, for a function that opens connections: `close` is called in its loop, before that ends."""

    async def closing() -> T:
        try:
            return await function(*args, **kwargs)
        finally:
            await close()

    return run_sync(closing)
