"""A run as its app sees it: from its own thread or task by context, from elsewhere by key."""

from __future__ import annotations

import asyncio
import secrets
import sys
import threading
from collections.abc import Awaitable, Callable, Collection, Iterator
from concurrent.futures import CancelledError as Cancelled
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from ..errors import UsageError
from ..models.chat.asked import Asked
from ..models.delta import Delta
from ..models.request import Reply

__all__ = [
    "Answered",
    "AppRun",
    "AppStopped",
    "Roles",
    "RunEndpoint",
    "Told",
    "current_run",
    "of_run",
    "of_run_async",
    "run_endpoint",
    "run_of_context",
]


class AppStopped(BaseException):
    """Ends an app whose run has ended; what catches `Exception` and tries again does not catch it."""


@dataclass(frozen=True, slots=True)
class RunEndpoint:
    """Where any OpenAI client reaches the roles of one run, from any thread or process of this machine."""

    base_url: str
    key: str
    """The run's own, which names the endpoint too: `openai_client("grader", key=...)` needs nothing else."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of one request of an app."""

    role: str
    """The name that the app asked for, which it is told as the model's."""
    model: str
    """The model of the pool that answered."""
    reply: Reply
    """Its usage is that of all draws that were made for it, those that were outvoted included."""


Told = Callable[[Delta], None]
"""Takes the pieces of a reply as they come; called on the loop of the run."""


class Roles(Protocol):
    """What a run needs of whatever answers for its roles."""

    async def answer(self, role: str, asked: Asked, told: Told | None) -> Answered:
        """Answers a request, and tells the pieces of the reply where they are wanted.

        Raises:
            Refusal: it is not served, does not fit, or failed; in the shape of OpenAI's errors.
        """

    def skips(self, node: str) -> bool:
        """Whether the plan leaves out a node of the app that can be skipped."""


class AppRun:
    """One run of an app. Calls come from any thread; all are made on the loop of the run.

    Args:
        roles: what answers.
        names: the roles that there are.
        opened: makes the run reachable at the endpoint, and returns its base URL with the key in place.
    """

    def __init__(self, roles: Roles, names: Collection[str], opened: Callable[[AppRun], RunEndpoint]) -> None:
        self.names = tuple(names)
        self.token = secrets.token_urlsafe(24)
        self._roles = roles
        self._opened = opened
        self._endpoint: RunEndpoint | None = None
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._calls: set[asyncio.Task[Any]] = set()
        self._ended = False

    @property
    def endpoint(self) -> RunEndpoint:
        """Where it can be reached from anywhere on this machine; opened when it is first asked for.

        Raises:
            AppStopped: the run has ended before.
        """
        if self._endpoint is None:
            self._endpoint = self._opened(self)
        return self._endpoint

    @property
    def ended(self) -> bool:
        """Whether it takes no further call."""
        return self._ended

    def skips(self, node: str) -> bool:
        """See `Roles.skips`."""
        return self._roles.skips(node)

    def submit(self, role: str, asked: Asked, told: Told | None = None) -> Future[Answered]:
        """Asks a role, from any thread; cancelling the future cancels the call.

        Raises:
            AppStopped: the run has ended.
        """
        if self._ended:
            raise AppStopped("the run that this call belongs to has ended")
        return asyncio.run_coroutine_threadsafe(self._answered(role, asked, told), self._loop)

    def ask(self, role: str, asked: Asked) -> Answered:
        """Asks a role and waits, for sync code.

        Raises:
            Refusal: see `Roles.answer`.
            AppStopped: the run has ended.
            UsageError: this thread is the one on which the run is made, and would wait for itself.
        """
        self.check_thread()
        try:
            return self.submit(role, asked).result()
        except Cancelled:
            raise AppStopped("the run that this call belongs to has ended") from None

    def check_thread(self) -> None:
        """Makes sure that the calling thread can wait for a reply.

        Raises:
            UsageError: it is the one on which the run is made, and would wait for itself.
        """
        if threading.get_ident() == self._thread:
            raise UsageError(
                "a sync client waits here on the thread that makes the run's calls, and so for itself; take "
                "async_openai_client, or ainvoke, or call it in a thread"
            )

    async def ask_async(self, role: str, asked: Asked) -> Answered:
        """Asks a role and waits, on any loop.

        Raises:
            Refusal: see `Roles.answer`.
            CancelledError: the run has ended.
        """
        try:
            return await asyncio.wrap_future(self.submit(role, asked))
        except AppStopped:  # raised in a task, it would end the loop of the app
            raise asyncio.CancelledError from None

    async def aclose(self) -> None:
        """Takes no further call, and waits until those in flight are settled."""
        self._ended = True
        calls = tuple(self._calls)
        for call in calls:
            call.cancel()
        if calls:
            await asyncio.wait(calls)

    async def _answered(self, role: str, asked: Asked, told: Told | None) -> Answered:
        call = asyncio.current_task()
        if self._ended or call is None:
            raise asyncio.CancelledError
        self._calls.add(call)
        try:
            return await self._roles.answer(role, asked, told)
        finally:
            self._calls.discard(call)


_RUN: ContextVar[AppRun | None] = ContextVar("apportion_app_run", default=None)
"""The run that the code which is running now belongs to."""


@contextmanager
def _running(run: AppRun) -> Iterator[None]:
    """What runs within belongs to a run."""
    before = _RUN.set(run)
    config = sys.modules.get("langchain_core.runnables.config")
    if config is not None:
        # Of a graph around it: its recursion limit, its checkpoints, its stream. An app runs as by itself.
        config.var_child_runnable_config.set(None)
    try:
        yield
    finally:
        _RUN.reset(before)


def of_run(run: AppRun, function: Callable[..., Any], *arguments: Any) -> Any:
    """Calls a function as part of a run."""
    with _running(run):
        return function(*arguments)


async def of_run_async(run: AppRun, function: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
    """As `of_run`, for what is awaited."""
    with _running(run):
        return await function(*arguments)


def run_of_context() -> AppRun | None:
    """The run that the calling code belongs to, where there is one."""
    return _RUN.get()


def current_run(what: str) -> AppRun:
    """The run that the calling code belongs to.

    Args:
        what: who asks, for the message.

    Raises:
        UsageError: it belongs to none.
    """
    run = _RUN.get()
    if run is None:
        raise UsageError(
            f"{what} was asked outside a run, or in a thread that has not the context of one. Inside the app, before "
            "the thread begins, take key = run_endpoint().key and give it as key=; or start the thread with "
            "contextvars.copy_context().run. Outside, let Workflow(...).run call the app"
        )
    return run


def run_endpoint() -> RunEndpoint:
    """Where any OpenAI client reaches the roles of the run that the calling code belongs to; for use inside an app.

    Raises:
        UsageError: it belongs to none.
        AppStopped: it has ended, and nothing was opened for it before.
    """
    return current_run("run_endpoint()").endpoint
