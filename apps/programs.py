"""Running an app of any form: a function, a LangGraph graph, a command."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from ..errors import UsageError
from .app_loop import AppLoop
from .piped_process import KILL, PipedProcess, started
from .run import AppRun, of_run, of_run_async

__all__ = [
    "AppFailed",
    "CommandProgram",
    "FunctionProgram",
    "GraphProgram",
    "Program",
    "Threads",
    "answer_text",
    "compiled",
]

_MOST_OUTPUT = 1024 * 1024
"""Bytes of what a command prints that are kept."""
_REASON = 300
_ENDING_SECONDS = 2.0
"""How long a command may take to end by itself when it is told to, and who holds its pipes after its end."""


class AppFailed(Exception):
    """The app ended without an answer, for a reason of its own."""


class Program(Protocol):
    """An app that can be asked."""

    async def answer(self, question: str, run: AppRun) -> Any:
        """What the app returns for a question; whatever it raises is raised.

        Cancelling it ends the app as far as that can be done.
        """


class Threads(Protocol):
    """Where sync functions run; see `DaemonThreads`."""

    async def run(self, function: Any, *arguments: Any) -> Any:
        """What the function returns or raises."""


class FunctionProgram:
    """A function from the question to the answer: sync in a thread, async on the loop of apps."""

    def __init__(self, function: Any, threads: Threads, loop: AppLoop | None) -> None:
        self._function = function
        self._threads = threads
        self._loop = loop

    async def answer(self, question: str, run: AppRun) -> Any:
        """See `Program`."""
        if self._loop is not None:
            return await self._loop.run(of_run_async(run, self._function, question))
        return await self._threads.run(of_run, run, _finished, self._function, question)


def _finished(function: Any, question: str) -> Any:
    """What a sync function returns; some return what is to be awaited."""
    value = function(question)
    return asyncio.run(value) if inspect.iscoroutine(value) else value


def compiled(app: Any) -> Any:
    """A LangGraph graph as one that can be invoked.

    Raises:
        UsageError: LangGraph does not compile it.
    """
    if hasattr(app, "ainvoke"):
        return app
    try:
        return app.compile()
    except ValueError as error:
        raise UsageError(f"LangGraph cannot compile the app: {error}") from error


class GraphProgram:
    """A LangGraph graph, invoked as by itself: nothing of a run around it reaches into it.

    Args:
        app: compiled, or with what compiles it.
        question: the key of its input.
        answer: the key of its output.
        loop: of apps.
    """

    def __init__(self, app: Any, question: str, answer: str, loop: AppLoop) -> None:
        self._app = compiled(app)
        self._question = question
        self._answer = answer
        self._loop = loop

    async def answer(self, question: str, run: AppRun) -> Any:
        """See `Program`."""
        return await self._loop.run(of_run_async(run, self._invoked, question, run.token))

    async def _invoked(self, question: str, thread_id: str) -> Any:
        # For a checkpointer of the app's own, which needs a thread.
        state = await self._app.ainvoke({self._question: question}, {"configurable": {"thread_id": thread_id}})
        if not isinstance(state, Mapping):
            return state
        waiting = state.get("__interrupt__")
        if waiting:
            raise AppFailed(
                f"the app stopped at an interrupt ({getattr(waiting[0], 'value', waiting[0])!r:.100}) and waits for "
                "an answer; give a function that invokes it and answers, in place of the graph"
            )
        if self._answer not in state:
            known = ", ".join(map(repr, state))
            raise AppFailed(f"the app's last state has no {self._answer!r}; it has {known}: name one of these, answer=")
        return state[self._answer]


class CommandProgram:
    """A command that reads the question on its standard input and prints the answer.

    It finds the run's endpoint in `OPENAI_BASE_URL` and its key in `OPENAI_API_KEY`, and is ended with its children.

    Raises:
        UsageError: there is no such command.
    """

    def __init__(self, command: Sequence[str]) -> None:
        if shutil.which(command[0]) is None:
            raise UsageError(f"there is no command {command[0]!r}; install it, or give its path")
        self._command = tuple(command)

    async def answer(self, question: str, run: AppRun) -> str:
        """See `Program`."""
        endpoint = run.endpoint
        names = {
            "OPENAI_BASE_URL": endpoint.base_url,
            "OPENAI_API_BASE": endpoint.base_url,
            "OPENAI_API_KEY": endpoint.key,
            **_past_proxies(),
        }
        try:
            process = await started(self._command, {**os.environ, **names})
        except (OSError, ValueError) as error:
            raise AppFailed(f"command {self._command[0]!r} cannot be started: {error}") from None
        try:
            said, complaint = await _communicated(process, question.encode(errors="replace"))
        finally:
            await _ended(process)
            process.close()
        if process.returncode:
            lines = complaint.decode(errors="replace").strip().splitlines() or ["it printed nothing to stderr"]
            how = f"exit code {process.returncode}"
            if process.returncode < 0:
                how = f"ended by signal {signal.Signals(-process.returncode).name}"
            raise AppFailed(f"the command failed, {how}: {lines[-1][:_REASON]}")
        return said.decode(errors="replace").strip()


async def _communicated(process: PipedProcess, question: bytes) -> tuple[bytes, bytes]:
    """Feeds a process and reads what it prints, of each stream as much as is kept; the rest is read and dropped."""

    async def feed(stream: asyncio.StreamWriter) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # it need not read the question
            stream.write(question)
            await stream.drain()
        stream.close()

    async def read(stream: asyncio.StreamReader, kept: bytearray) -> None:
        while piece := await stream.read(65_536):
            kept += piece[: max(0, _MOST_OUTPUT + 1 - len(kept))]

    said, complaint = bytearray(), bytearray()
    pipes = [
        asyncio.ensure_future(each)
        for each in (feed(process.stdin), read(process.stdout, said), read(process.stderr, complaint))
    ]
    try:
        await process.ended.wait()
        process.signal(KILL)  # children left behind hold its pipes open
        await asyncio.wait(pipes, timeout=_ENDING_SECONDS)
    finally:
        for pipe in pipes:
            pipe.cancel()
    if len(said) > _MOST_OUTPUT:
        raise AppFailed(f"the command printed more than {_MOST_OUTPUT:,} bytes")
    return bytes(said), bytes(complaint)


def _past_proxies() -> dict[str, str]:
    """Variables that have clients reach this machine by themselves: a proxy elsewhere would be sent the run's key."""
    return {name: ",".join(filter(None, [os.environ.get(name), "127.0.0.1"])) for name in ("NO_PROXY", "no_proxy")}


async def _ended(process: PipedProcess) -> None:
    """Ends a process and the group that it leads; children that outlive it are ended too."""
    if not process.ended.is_set():
        process.signal(signal.SIGTERM)
        await process.ends_within(_ENDING_SECONDS)
    process.signal(KILL)
    await process.ended.wait()


def answer_text(value: Any) -> str:
    """What an app returned, as text: a text itself, a message's content, anything else as JSON.

    Raises:
        AppFailed: it is none of these.
    """
    content = getattr(value, "content", value)  # of a message, as LangChain's
    if isinstance(content, list) and content and all(hasattr(each, "content") for each in content):
        content = content[-1].content  # a history of messages: the last speaks
    if isinstance(content, list) and content and all(isinstance(each, Mapping) and "type" in each for each in content):
        content = "".join(str(each.get("text") or "") for each in content if each["type"] == "text")  # its blocks
    if isinstance(content, str):
        return content
    if content is None:
        raise AppFailed("the app returned None; it must return the answer")
    try:
        return json.dumps(content, ensure_ascii=False, sort_keys=True)
    except (TypeError, ValueError, RecursionError):
        raise AppFailed(f"the app returned {type(value).__name__}; it must return a text, or what JSON holds") from None
