"""An MCP server that is kept running, and the conversation with it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from pydantic import ValidationError

from ...errors import ToolServerError, gravest
from ...records.text import single_spaced
from ..tool_costs import ToolResult
from .pipes import Launch, Pipes
from .results import result_of

__all__ = ["ListedTool", "ToolServer"]

_DEATHS = 3
"""So often within a minute, without a result in between, may a server end; then it is not started again so soon."""
_MINUTE = 60.0
_TOOLS = 1000
"""The most tools of a listing that are looked at."""
_CLOSING_SECONDS = 15.0
_SHOWN = 300

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ListedTool:
    """A tool as a server lists it."""

    name: str
    description: str
    parameters: dict[str, Any]
    """JSON schema of its arguments; whatever the server says that it is."""


@dataclass(slots=True)
class _Conversation:
    """A server that answers."""

    client: Any
    pipes: Pipes
    tools: tuple[ListedTool, ...]
    held: asyncio.Task[None]
    """Begins and ends it; the client wants both done by one task."""
    over: asyncio.Event
    """Set to end it."""


@dataclass(frozen=True, slots=True)
class _Death:
    """An end that nobody wanted."""

    time: float
    """By the clock of the loop, in seconds."""
    trouble: str
    """What is known of it."""


@dataclass(slots=True)
class ToolServer:
    """A server, started at its first use and again where it has ended, for any number of threads and event loops.

    It has a thread with an event loop of its own, as those that use it come and go.

    Args:
        launch: how it is started.
    """

    launch: Launch
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _loop: asyncio.AbstractEventLoop | None = None
    _thread: threading.Thread | None = None
    _starting: asyncio.Lock = field(default_factory=asyncio.Lock)
    _conversation: _Conversation | None = None
    _deaths: list[_Death] = field(default_factory=list)
    """Of late."""
    _failure: tuple[float, ToolServerError] | None = None
    """When it could not be started last, and why."""

    async def tools(self) -> tuple[ListedTool, ...]:
        """What it lists, as it did when it was started last.

        Raises:
            ToolServerError: it cannot be started, or does not answer as an MCP server does; the message says why.
        """
        conversation = await self._within(self._running)
        return conversation.tools

    async def call(self, name: str, arguments: dict[str, Any]) -> ToolResult:
        """Calls one of its tools; who stops waiting has the call cancelled.

        Raises:
            ToolServerError: it has ended and cannot be started again, or ended during the call.
            Exception: of the client's, where the server refuses the call or breaks the protocol.
        """
        return await self._within(self._called, name, arguments)

    def close(self) -> None:
        """Ends the server, and waits for that."""
        with self._lock:
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._end(), loop).add_done_callback(
            lambda _: loop.call_soon_threadsafe(loop.stop)
        )
        thread.join(_CLOSING_SECONDS)

    async def _within(self, work: Callable[..., Coroutine[Any, Any, T]], *arguments: Any) -> T:
        """Does work in the thread of the server."""
        loop = self._own_loop()
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work(*arguments), loop))

    def _own_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                loop = asyncio.new_event_loop()
                thread = threading.Thread(target=_serve, args=(loop,), name="apportion-mcp", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # there are too many; who comes later must not wait for this one
                    loop.close()
                    raise
                self._starting, self._conversation = asyncio.Lock(), None
                self._loop, self._thread = loop, thread
            return self._loop

    async def _called(self, name: str, arguments: dict[str, Any]) -> ToolResult:
        conversation = await self._running()
        try:
            result = result_of(await conversation.client.session.call_tool(name, arguments))
        except Exception as error:
            if isinstance(error, ValidationError):
                raise ValueError(f"the server returned what is no result: {_said(error)}") from None
            if not conversation.pipes.ended.is_set():
                raise
            trouble = await conversation.pipes.last_words()
            raise ToolServerError(f"the MCP server {self.launch.name!r} ended during the call: {trouble}") from None
        self._deaths.clear()
        return result

    async def _running(self) -> _Conversation:
        clock = asyncio.get_running_loop().time
        asked = clock()
        async with self._starting:
            known = self._conversation
            if known is not None and not known.pipes.ended.is_set():
                return known
            if self._failure is not None and self._failure[0] >= asked:
                raise self._failure[1]  # of the start that this one has waited for
            try:
                if known is not None:
                    self._conversation = None
                    await _ended(known)
                    self._deaths.append(_Death(clock(), known.pipes.trouble))
                self._check_deaths(clock())
                self._conversation = await self._started()
            except ToolServerError as error:
                self._failure = clock(), error
                raise
            return self._conversation

    def _check_deaths(self, now: float) -> None:
        self._deaths = [death for death in self._deaths if now - death.time < _MINUTE]
        if len(self._deaths) >= _DEATHS:
            raise ToolServerError(
                f"the MCP server {self.launch.name!r} has ended {len(self._deaths)} times within a minute and is not "
                f"started again for now: {self._deaths[-1].trouble}"
            )

    async def _started(self) -> _Conversation:
        answers: asyncio.Future[_Conversation] = asyncio.get_running_loop().create_future()
        held = asyncio.create_task(self._hold(answers))
        held.add_done_callback(partial(_looked_at, answers))
        try:
            return await asyncio.shield(answers)
        except BaseException:  # also where nobody waits for it any more
            held.cancel()
            await asyncio.wait({held})
            raise

    async def _hold(self, answers: asyncio.Future[_Conversation]) -> None:
        """Starts the server, and keeps it until it is over."""
        own = asyncio.current_task()
        assert own is not None
        pipes, over = Pipes(self.launch), asyncio.Event()
        client: Any = None
        try:
            client_of = _client_class()
            client = client_of(pipes, cache=None)
            async with asyncio.timeout(self.launch.start_seconds):
                await client.__aenter__()
                tools = await _listed(client.session)
        except ToolServerError as error:
            answers.set_exception(error)
        except Exception as error:  # noqa: BLE001 - what a server says may break the client anywhere
            answers.set_exception(await self._unstarted(pipes, error))
        else:
            answers.set_result(_Conversation(client, pipes, tools, own, over))
            # A server that has ended is left at once: later its process id may be another program's.
            await _first_of(over, pipes.ended)
        finally:
            if client is not None:
                await client.__aexit__(None, None, None)

    async def _unstarted(self, pipes: Pipes, error: Exception) -> ToolServerError:
        named = f"MCP server {self.launch.name!r}"
        if isinstance(error, TimeoutError):
            return ToolServerError(
                f"{named} did not answer within start_seconds={self.launch.start_seconds:g}: {pipes.trouble}; run the "
                "command by hand to see whether it serves MCP, or raise start_seconds"
            )
        if pipes.ended.is_set() and not pipes.told:
            return ToolServerError(f"{named} cannot be used: {pipes.trouble}; run the command by hand to see why")
        return ToolServerError(f"{named} does not answer as an MCP server does: {_said(error)}")

    async def _end(self) -> None:
        async with self._starting:
            if self._conversation is not None:
                await _ended(self._conversation)
                self._conversation = None


def _said(error: Exception) -> str:
    error = gravest(error)
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"{error.title}: {'.'.join(map(str, first['loc']))}: {first['msg']}"[:_SHOWN]
    return f"{type(error).__name__}: {single_spaced(str(error))}"[:_SHOWN]


def _looked_at(answers: asyncio.Future[_Conversation], held: asyncio.Task[None]) -> None:
    """Lets nobody wait for the answer of a task that has ended, and the loop not complain of how it did."""
    error = None if held.cancelled() else held.exception()
    if not answers.done():
        answers.set_exception(ToolServerError(f"the MCP client broke while it started a server: {error!r:.{_SHOWN}}"))
        answers.exception()


async def _first_of(*events: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


async def _ended(conversation: _Conversation) -> None:
    conversation.over.set()
    await asyncio.wait({conversation.held})


async def _listed(session: Any) -> tuple[ListedTool, ...]:
    from mcp.types import PaginatedRequestParams

    found: list[ListedTool] = []
    page = await session.list_tools()
    while True:
        found += (ListedTool(tool.name, tool.description or "", tool.input_schema) for tool in page.tools)
        if page.next_cursor is None or len(found) > _TOOLS:
            return tuple(found)
        page = await session.list_tools(params=PaginatedRequestParams(cursor=page.next_cursor))


def _client_class() -> Any:
    try:
        from mcp import Client
    except ImportError:
        raise ToolServerError(
            "McpTools needs the package 'mcp', version 2 or newer; install it with pip install 'apportion[mcp]'"
        ) from None
    return Client


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    """The thread of a server: runs the loop until it is stopped, and leaves nothing of it open."""
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
