"""The app: a program of the user's own that asks roles for what it needs, and answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from annotated_types import Interval
from pydantic import PlainSerializer, PlainValidator, PositiveInt

from ..apps.app_loop import AppLoop
from ..apps.endpoint import Endpoint
from ..apps.programs import AppFailed, CommandProgram, FunctionProgram, GraphProgram, Program, answer_text
from ..apps.run import AppRun
from ..errors import UsageError
from ..records.message import Message
from ..records.status import Status
from ..records.text import encodable
from .app_roles import AppRoles, Counts, UnknownModels
from .app_source import Command, app_from, app_json, is_graph
from .app_step import AppStep
from .base import CallBound, Context, Incoming, Inputs, Kind, Node, Speakers
from .callables import Given, Imported, is_async
from .daemon_threads import DaemonThreads
from .prompts.base import Ask
from .role import Role
from .user_calls import first_line

__all__ = ["KIND", "App", "UnknownModels"]

_ENDING_SECONDS = 10.0
"""How long an app that was cancelled may take to end, so that a command's processes are gone before its run is."""


class App(Node):
    """A program that answers a question with the help of roles: a function, a LangGraph graph, or a command.

    Which models answer for its roles, a plan says; the program is as it is. What it may spend is its run's allowance:
    nobody can foresee its calls, so that a run needs `Cap(per_task=...)`.
    """

    kind: ClassVar[str] = "app"

    app: Annotated[
        str | list[str] | Callable[..., Any] | Imported | Given | Command,
        PlainValidator(app_from),
        PlainSerializer(app_json, return_type=Any),
    ]
    """The function or graph, or its name "module:name"; or the words of a command. In JSON `{"import": "module:name"}`
    or `{"command": [...]}`; either is used only where whoever loads the file admits it."""
    question: str = "question"
    """Of a graph: the key of its input."""
    answer: str = "answer"
    """Of a graph: the key of its output."""
    roles: tuple[tuple[str, str], ...] = ()
    """The roles as the app asks for them, each with its node."""
    steps: tuple[tuple[str, str], ...] = ()
    """The steps that a plan may leave out, as the app calls them, each with its node."""
    unknown_models: UnknownModels = "refuse"
    """What becomes of a request for a model that is no role: refused, or passed to the model of that name in the pool.
    Both are counted in the trace."""
    timeout_seconds: Annotated[float, Interval(gt=0.0, le=86_400.0)] = 600.0
    """After so long a run of the app is ended."""
    at_once: PositiveInt = 64
    """The most runs of the app at a time."""
    refusals: PositiveInt = 1_000
    """How many calls may get no reply, as they do not fit or fail, before a run of the app is ended: each is a row in
    the trace. Calls that are made at once count one by one."""

    def admissions(self) -> tuple[str, ...]:
        """See `Node.admissions`."""
        return (self.app.name,) if isinstance(self.app, Command) else ()


@dataclass(frozen=True, slots=True)
class _Opened:
    """What a node keeps between runs."""

    program: Program
    endpoint: Endpoint
    places: asyncio.Semaphore


@contextmanager
def _open(node: App) -> Iterator[_Opened]:
    source: Any = node.app
    with ExitStack() as opened:
        endpoint = opened.enter_context(closing(Endpoint()))
        threads = opened.enter_context(closing(DaemonThreads(node.at_once)))
        program: Program
        if isinstance(source, Command):
            program = CommandProgram(source.words)
        else:
            app = source.function()
            if is_graph(app):
                program = GraphProgram(app, node.question, node.answer, opened.enter_context(closing(AppLoop())))
            else:
                loop = opened.enter_context(closing(AppLoop())) if is_async(app) else None
                program = FunctionProgram(app, threads, loop)
        yield _Opened(program, endpoint, asyncio.Semaphore(node.at_once))


async def _run(node: App, inputs: Inputs, context: Context) -> Message:
    opened: _Opened = context.resource
    async with opened.places:
        roles = AppRoles(dict(node.roles), inputs.task, context, node.unknown_models, node.refusals)
        await roles.look(dict(node.steps))
        run = AppRun(roles, dict(node.roles), opened.endpoint.opened)
        with opened.endpoint.serving(run):
            try:
                message = await _answered(node, inputs.question, opened.program, run, roles)
            finally:
                await run.aclose()
    _record(node, roles.counts, context)
    if roles.problem is not None:
        raise roles.problem
    return message


async def _answered(node: App, question: str, program: Program, run: AppRun, roles: AppRoles) -> Message:
    """What the app answers, or why it does not."""
    asking = asyncio.ensure_future(_outcome(program, question, run))
    try:
        both: set[asyncio.Future[Any]] = {asking, roles.given_up}
        await asyncio.wait(both, timeout=node.timeout_seconds, return_when=asyncio.FIRST_COMPLETED)
        if roles.given_up.done():
            return roles.given_up.result()
        if not asking.done():
            reason = f"the app was not done within timeout_seconds={node.timeout_seconds:g}"
            return Message(status=Status.TIMEOUT, reason=reason)
        value, error = asking.result()
    finally:
        if not asking.done():
            asking.cancel()
            await asyncio.wait({asking}, timeout=_ENDING_SECONDS)
        roles.given_up.cancel()
    return _message(value, error, roles.counts)


async def _outcome(program: Program, question: str, run: AppRun) -> tuple[Any, BaseException | None]:
    """What the app returned or raised, as a value."""
    task = asyncio.current_task()
    try:
        return await program.answer(question, run), None
    except asyncio.CancelledError as error:
        if task is not None and task.cancelling():
            raise
        return None, error
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # noqa: BLE001 - an app may raise anything, sys.exit() too
        return None, error


def _message(value: Any, error: BaseException | None, counts: Counts) -> Message:
    if error is None:
        try:
            text = encodable(answer_text(value))
        except AppFailed as failed:
            return Message(status=Status.TOOL_ERROR, reason=str(failed))
        if not text.strip():
            return Message(status=Status.SKIPPED, reason="the app answered with an empty text")
        return Message(answer=text)
    if isinstance(error, UsageError):
        raise error
    reason = str(error) if isinstance(error, AppFailed) else first_line(error)
    if counts.refused:
        refused = f"{counts.refused} of the app's calls did not fit, and it gave no answer"
        return Message(status=Status.BUDGET, reason=encodable(f"{refused}: {reason}"))
    return Message(status=Status.TOOL_ERROR, reason=encodable(reason))


def _record(node: App, counts: Counts, context: Context) -> None:
    more: dict[str, Any] = {"unknown_models": dict(counts.unknown_models)} if counts.unknown_models else {}
    if counts.refused:
        more["refused"] = counts.refused
    unasked = [role for role, _ in node.roles if not counts.asked[role]]
    if unasked:
        more["unasked"] = unasked
    context.record("roles", asked=dict(counts.asked), **more)


def _worst_case(node: App, ask: Ask, incoming: Incoming, speakers: Speakers) -> tuple[CallBound, ...]:
    """Its roles make its calls."""
    return ()


def _asks(node: App) -> dict[str, str]:
    return {place: Role.kind for _, place in node.roles} | {place: AppStep.kind for _, place in node.steps}


KIND = Kind(config=App, run=_run, worst_case=_worst_case, open=_open, asks=_asks, unbounded=True)
