"""Real LangGraph, and the engine without it, against a plain interpreter on random graphs with loops and gates."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apportion.budgets.books import MemoryStore
from apportion.errors import GraphError, PlanError
from apportion.graphs.compile import to_state_graph
from apportion.graphs.gate import Gate
from apportion.graphs.graph import Graph
from apportion.graphs.resolved import ResolvedPlan, resolve
from apportion.graphs.result import Engine
from apportion.graphs.run import Runner
from apportion.graphs.state import OUT, TASK, supersteps
from apportion.models.pool import Pool
from apportion.nodes.base import Context, Inputs
from apportion.nodes.knob import adaptive, choose
from apportion.records.message import Candidate, Message
from apportion.records.status import Status
from apportion.records.task import Task

TASK_ = Task(question="q")
Log = list[tuple[str, int, str]]
GATES = (Gate("rejected"), Gate("confidence", below=choose(0.6, 0.2)), Gate("confidence", above=0.4))


def said(name: str, round_: int, read: Mapping[str, Message], previous: Message | None) -> Message:
    """What a node says: a digest of all that it was given, accepted by its last digit."""
    given = "|".join(f"{source}={message.answer}" for source, message in read.items())
    before = "" if previous is None else previous.answer
    digest = hashlib.sha256(f"{name}/{round_}/{given}/{before}".encode()).hexdigest()[:8]
    candidates = (Candidate(digest, int(digest[0], 16) / 15, source=name),)
    return Message(answer=digest, candidates=candidates, accepted=int(digest[-1], 16) % 3 == 0)


def opens(gate: Gate, message: Message) -> bool:
    """A gate at its first threshold, by its definition."""
    if gate.signal == "rejected":
        return not message.accepted
    sure = message.candidates[0].confidence or 0.0
    if gate.below is not None:
        return gate.below.values[0] is None or sure < gate.below.values[0]  # type: ignore[union-attr]
    return sure > float(gate.above)  # type: ignore[arg-type]


def interpreted(resolved: ResolvedPlan) -> tuple[Log, str]:
    """The plan by its definition: whole bodies in order, every node reads what was last said."""
    active, last, log = resolved.active, dict[str, Message](), Log()
    order, done, silent = list(active.order), set[str](), set[str]()
    gates = {(edge.source, edge.target): edge.gate for edge in active.edges if edge.gate is not None}

    def passes(source: str, name: str) -> bool:
        gate = gates.get((source, name))
        return source not in silent and (gate is None or opens(gate, last[source]))

    def speak(name: str, round_: int, previous: Message | None) -> None:
        read = {source: last[source] for source in active.sources[name] if passes(source, name)}
        silent.discard(name)
        if active.sources[name] and not read and name not in active.blueprint.entries:
            silent.add(name)
            last[name] = Message(status=Status.SKIPPED, reason="gate")
            return
        last[name] = said(name, round_, read, previous)
        log.append((name, round_, last[name].answer))

    while len(done) < len(order):
        for name in order:
            body = active.body_of.get(name)
            members = {name} if body is None else set(body.nodes)
            needs = {source for member in members for source in active.sources[member]} - members
            if name in done or not needs <= done:
                continue
            if body is None:
                speak(name, 0, None)
            else:
                limits, previous = resolved.rounds[body.loop.name], None
                for round_ in range(limits.high):
                    for member in order:
                        if member in members:
                            speak(member, round_, previous if member in (body.loop.solve, body.loop.check) else None)
                    previous = last[body.loop.check]
                    if previous.accepted and round_ + 1 >= limits.low:
                        break
            done |= members
    return log, last[active.blueprint.final].answer


def random_graph(draw: Callable[[st.SearchStrategy[Any]], Any], node: Any, kinds: Any) -> Graph:
    count = draw(st.integers(2, 8))
    names = [f"n{index}" for index in range(count)]
    graph = Graph("random", kinds=kinds)
    for name in draw(st.permutations(names)):
        graph.add(name, node(model="small"))
    feeding = set()
    for index, target in enumerate(names[1:], 1):
        for source in draw(st.sets(st.sampled_from(names[:index]), min_size=1, max_size=3)):
            gate = draw(st.sampled_from([None, None, None, *GATES]))
            graph.connect(source, target, optional=draw(st.integers(0, 3)) == 0, when=gate)
            feeding.add(source)
    for name in names[:-1]:
        if name not in feeding:
            graph.connect(name, names[-1])
    used: set[int] = set()
    for _ in range(draw(st.integers(0, 2))):
        low, high = sorted(draw(st.sets(st.integers(0, count - 1), min_size=2, max_size=2)))
        if used & set(range(low, high + 1)):
            continue
        used |= set(range(low, high + 1))
        rounds = draw(st.sampled_from([1, 2, 3, adaptive(2, 4)]))
        graph.loop(names[high], names[low], rounds=rounds)
    return graph.finish(names[-1])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), engine=st.sampled_from(["langgraph", "direct"]))
def test_random_graphs_run_as_defined(
    data: st.DataObject, engine: Engine, pool: Pool, made_of: Callable[..., Any]
) -> None:
    log: Log = []
    generator = random.Random(data.draw(st.integers(0, 1000)))

    async def speak(_: Any, inputs: Inputs, context: Context) -> Message:
        for _ in range(generator.randrange(3)):
            await asyncio.sleep(0)
        message = said(context.node, inputs.round, inputs.messages, inputs.previous)
        log.append((context.node, inputs.round, message.answer))
        return message

    node, kinds = made_of(speak)
    graph = random_graph(data.draw, node, kinds)
    try:
        space = graph.space(pool)
        on = [edge for edge in space.optional_edges if data.draw(st.booleans())]
        plan = space.plan(edges=on)
    except (GraphError, PlanError):
        return

    async def run() -> Any:
        async with Runner(graph, pool, MemoryStore()) as runner:
            return await runner.run(TASK_, plan, engine=engine)

    result = asyncio.run(run())
    expected, answer = interpreted(resolve(space, plan))
    assert result.answer == answer
    assert sorted(log) == sorted(expected)
    for name in {name for name, *_ in expected}:
        assert [entry for entry in log if entry[0] == name] == [entry for entry in expected if entry[0] == name]


def test_a_loop_waits_outside_and_is_waited_for(pool: Pool, made_of: Callable[..., Any]) -> None:
    """The first trap of barriers: a predecessor outside the loop must not stop its later rounds."""
    order: list[str] = []

    async def speak(_: Any, inputs: Inputs, context: Context) -> Message:
        order.append(f"{context.node}{inputs.round}")
        return Message(answer=context.node, accepted=False)

    node, kinds = made_of(speak)
    graph = Graph("g", kinds=kinds)
    for name in ("hint", "late", "later", "solve", "check", "last"):
        graph.add(name, node(model="small"))
    graph.connect("hint", "late").connect("late", "later").connect("later", "check").connect("hint", "solve").connect(
        "solve", "check"
    )
    graph.connect("solve", "last").connect("check", "last").connect("hint", "last").loop("check", "solve", rounds=3)
    asyncio.run(run_once(graph, pool))
    assert order == ["hint0", "late0", "later0", "solve0", "check0", "solve1", "check1", "solve2", "check2", "last0"]


async def run_once(graph: Graph, pool: Pool) -> Any:
    async with Runner(graph, pool, MemoryStore()) as runner:
        return await runner.run(TASK_, runner.space.default())


def test_the_recursion_limit_is_enough_and_bounded(pool: Pool, kinds: Any, echo: Any) -> None:
    graph = Graph("g", kinds=kinds)
    for name in ("a", "b", "c", "d"):
        graph.add(name, echo(model="small"))
    graph.connect("a", "b").connect("b", "c").connect("c", "d").loop("c", "b", rounds=adaptive(9, 9))
    resolved = resolve(graph.space(pool), graph.space(pool).default())
    assert supersteps(resolved.active, {"c->b": 9}) == 4 + 8 * 2 + 1 + 1
    assert asyncio.run(run_once(graph, pool)).answer.startswith("d(")


def test_only_what_runs_is_compiled(pool: Pool, kinds: Any, echo: Any) -> None:
    graph = Graph("g", kinds=kinds)
    for name in ("a", "b", "c"):
        graph.add(name, echo(model="small"))
    graph.connect("a", "c").connect("b", "c", optional=True)
    built = graph.to_langgraph(graph.space(pool).plan(edges=[]), pool)
    assert set(built.nodes) == {"a", "c"}
    assert set(built.channels) == {TASK, OUT, "a.message", "c.message"}


def test_it_runs_inside_another_langgraph_app(pool: Pool, kinds: Any, echo: Any) -> None:
    """Calls are metered and rows are written as in a run of our own."""
    from typing import TypedDict

    from langgraph.graph import END, START, StateGraph

    graph = Graph("g", kinds=kinds).add("a", echo(model="small")).add("b", echo(model="small")).connect("a", "b")
    plan = graph.space(pool).default()

    class State(TypedDict, total=False):
        question: str
        task: Task
        out: Message
        shout: str

    async def ask(state: State) -> State:
        return {"task": Task(question=state["question"])}

    async def shout(state: State) -> State:
        return {"shout": state["out"].answer.upper()}

    async def main() -> tuple[Any, MemoryStore]:
        app = StateGraph(State)
        app.add_node("ask", ask)
        app.add_node("answer", graph.to_langgraph(plan, pool).compile())
        app.add_node("shout", shout)
        app.add_edge(START, "ask")
        app.add_edge("ask", "answer")
        app.add_edge("answer", "shout")
        app.add_edge("shout", END)
        store = MemoryStore()
        async with Runner(graph, pool, store) as runner, runner.session(Task(question="why?"), plan) as session:
            context: Any = session
            state = await app.compile().ainvoke({"question": "why?"}, context=context)
        assert session.result is not None
        assert session.result.answer == "b(a=a())"
        return state, store

    state, store = asyncio.run(main())
    assert state["shout"] == "B(A=A())"
    (run,) = store.runs()
    assert (run.answer, [span.node for span in store.spans(run.run_id)]) == ("b(a=a())", ["a", "b"])


def test_every_shape_has_a_schema(pool: Pool, kinds: Any, echo: Any) -> None:
    """What Studio asks of a graph."""
    graph = Graph("g", kinds=kinds).add("a", echo(model="small")).add("b", echo(model="small")).connect("a", "b")
    compiled = to_state_graph(graph.space(pool).active([])).compile()
    assert set(compiled.get_input_jsonschema()["properties"]) == {TASK}
    assert "a" in compiled.get_graph().draw_mermaid()


@pytest.mark.parametrize("rounds", [1, 4])
def test_a_final_node_inside_a_loop(rounds: int, pool: Pool, made_of: Callable[..., Any]) -> None:
    async def speak(_: Any, inputs: Inputs, context: Context) -> Message:
        return Message(answer=f"{context.node}{inputs.round}", accepted=False)

    node, kinds = made_of(speak)
    graph = Graph("g", kinds=kinds).add("solve", node(model="small")).add("check", node(model="small"))
    graph.connect("solve", "check").loop("check", "solve", rounds=rounds).finish("solve")
    assert asyncio.run(run_once(graph, pool)).answer == f"solve{rounds - 1}"
