"""From the active part of a graph to a LangGraph `StateGraph`.

Each node writes one channel and reads those of its predecessors. A join is a barrier over all it waits for. A loop
waits at its first node for all that its body needs from outside; what is outside and reads its body waits for an exit
node, which a conditional edge reaches after the last round. Feedback is read from the channel of the check.

LangGraph runs in lockstep: nodes of one superstep begin together. It drops unknown keys of an update silently, and a
barrier on a node that never runs ends the graph without output, so the runtime checks that there was an output.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from langchain_core.runnables.config import var_child_runnable_config
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from ..errors import UsageError
from ..records.message import Message
from ..records.task import Task
from .active import Active, Body
from .state import OUT, TASK, Session, channel

__all__ = ["to_state_graph"]


def to_state_graph(active: Active) -> StateGraph[Any, Any, Any, Any]:
    """The active part as an uncompiled `StateGraph` whose context is a `Session`."""
    channels = {TASK: Task, OUT: Message, **{channel(name): Message for name in active.order}}
    built: StateGraph[Any, Any, Any, Any] = StateGraph(
        _schema("State", channels),
        context_schema=_Context,
        input_schema=_schema("Input", {TASK: Task}),
        output_schema=_schema("Output", {OUT: Message}),
    )
    for name in active.order:
        read = {TASK: Task, **{channel(source): Message for source in active.sources[name]}}
        body = active.body_of.get(name)
        if body is not None and name in (body.loop.solve, body.loop.check):
            read[channel(body.loop.check)] = Message
        action = _step(name, final=name == active.blueprint.final)
        built.add_node(name, action, input_schema=_schema(f"{name} reads", read))
    for body in active.bodies:
        leave = END
        if _read_outside(active, body):
            leave = _exit(body)
            built.add_node(leave, _pass, input_schema=_schema(f"{leave} reads", {TASK: Task}))
        route = _route(body.loop.name, channel(body.loop.check))
        built.add_conditional_edges(body.loop.check, route, {True: body.loop.solve, False: leave})
    for name in active.order:
        _join(built, sorted(_awaited(active, name)), name)
    if active.blueprint.final not in active.body_of:
        built.add_edge(active.blueprint.final, END)
    return built


class _Context:
    """Stands for `Session` in LangGraph's schema."""


def _schema(name: str, fields: Mapping[str, Any]) -> type[Any]:
    make: Any = TypedDict
    schema: type[Any] = make(name, dict(fields), total=False)
    return schema


def _step(name: str, *, final: bool) -> Callable[..., Awaitable[dict[str, Message]]]:
    written = channel(name)

    async def step(state: Any, runtime: Runtime[Any]) -> dict[str, Message]:
        _free_of_our_limit()
        message = await _session(runtime).step(name, state)
        return {written: message, OUT: message} if final else {written: message}

    return step


def _session(runtime: Runtime[Any]) -> Session:
    """The run that an invocation belongs to.

    Raises:
        UsageError: it was invoked without one.
    """
    session: Session | None = runtime.context
    if session is None:
        raise UsageError(
            "this graph was invoked without a session, which holds its account and its way to the models: open one by "
            "`async with Runner(graph, pool, store) as runner, runner.session(task, plan) as session:` and give it as "
            'app.ainvoke({"task": task}, context=session); `graph.run(...)` does both'
        )
    return session


def _free_of_our_limit() -> None:
    """A LangGraph app that a node runs takes over the settings of the run around it; the limit is for that one alone.

    LangGraph runs each node in a context of its own, so that this reaches what the node calls and nothing else.
    """
    config = var_child_runnable_config.get()
    if config is not None and "recursion_limit" in config:
        own = config.copy()
        del own["recursion_limit"]
        var_child_runnable_config.set(own)


def _route(loop: str, check: str) -> Callable[..., Awaitable[bool]]:
    async def route(state: Any, runtime: Runtime[Any]) -> bool:
        return _session(runtime).goes_on(loop, state[check])

    return route


async def _pass(state: Any) -> None:
    """The exit of a loop only tells others that it is over."""


def _exit(body: Body) -> str:
    return f"{body.loop.check}.exit"


def _join(built: StateGraph[Any, Any, Any, Any], awaited: list[str], name: str) -> None:
    if len(awaited) > 1:
        built.add_edge(awaited, name)
    else:
        built.add_edge(awaited[0], name)


def _read_outside(active: Active, body: Body) -> bool:
    """Whether a node outside reads the body."""
    return any(edge.source in body.nodes and edge.target not in body.nodes for edge in active.edges)


def _awaited(active: Active, name: str) -> set[str]:
    """What must have run before a node runs for the first time."""
    body = active.body_of.get(name)
    if body is None:
        sources = set(active.sources[name])
    elif body.loop.solve == name:
        sources = {source for member in body.nodes for source in active.sources[member]} - body.nodes
    else:
        return set(active.sources[name]) & body.nodes
    exits = {source: active.body_of.get(source) for source in sources}
    return {source if left is None else _exit(left) for source, left in exits.items()} or {START}
