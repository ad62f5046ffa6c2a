"""Real LangGraph, and the engine without it, against a plain interpreter on random graphs with loops and gates."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apportion.budgets.books import MemoryStore
from apportion.budgets.cap import Cap
from apportion.errors import GraphError, PlanError, UsageError
from apportion.graphs.compile import to_state_graph
from apportion.graphs.gate import Gate
from apportion.graphs.gating import traced_readings
from apportion.graphs.graph import Graph
from apportion.graphs.resolved import ResolvedPlan, resolve
from apportion.graphs.result import Engine
from apportion.graphs.run import Runner
from apportion.graphs.state import OUT, TASK, supersteps
from apportion.models.pool import Pool
from apportion.models.request import ChatMessage, Request
from apportion.nodes.base import Context, Inputs
from apportion.nodes.knob import adaptive, choose
from apportion.records.message import Candidate, Message
from apportion.records.status import Status
from apportion.records.task import Task
from apportion.testing.scripted import ScriptedModel

TASK_ = Task(question="q")
Log = list[tuple[str, int, str]]
GATES = (
    Gate("rejected"),
    Gate("abstained"),
    Gate("confidence", below=choose(0.6, 0.2)),
    Gate("confidence", above=0.4),
    Gate("agreement", below=choose(0.9, 0.3)),
    Gate("rounds", above=choose(1, 2)),
    Gate("rounds", below=2),
    Gate("left_share", above=0.995),
)


def said(name: str, round_: int, read: Mapping[str, Message], previous: Message | None) -> Message:
    """What a node says: a digest of all that it was given, accepted by its last digit."""
    given = "|".join(f"{source}={message.answer}" for source, message in read.items())
    before = "" if previous is None else previous.answer
    digest = hashlib.sha256(f"{name}/{round_}/{given}/{before}".encode()).hexdigest()[:8]
    other = digest if int(digest[1], 16) % 2 else "other"
    candidates = (Candidate(digest, int(digest[0], 16) / 15, source=name), Candidate(other, source="other"))
    accepted, abstained = int(digest[-1], 16) % 3 == 0, int(digest[-2], 16) % 3 == 0
    return Message(answer=digest, candidates=candidates, accepted=accepted, abstained=abstained)


def opens(gate: Gate, message: Message) -> bool:
    """A gate at its first threshold, by its definition."""
    if gate.signal == "rejected":
        return not message.accepted
    if gate.signal == "abstained":
        return message.abstained
    one, other = message.candidates
    alike = 1.0 if one.answer == other.answer else 0.5
    value = {"confidence": one.confidence or 0.0, "agreement": alike, "rounds": message.rounds, "left_share": 1.0}[
        gate.signal
    ]
    threshold = gate.thresholds[0]
    return threshold is None or (value < threshold if gate.below is not None else value > threshold)


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
        last[name] = replace(said(name, round_, read, previous), rounds=round_ + 1)
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


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_both_engines_say_call_and_charge_the_same_on_random_graphs_with_gates(
    data: st.DataObject, made_of: Callable[..., Any]
) -> None:
    """What a node says, what it asked, and what that was charged; and what the gates read."""
    asked: dict[Engine, list[str]] = {"langgraph": [], "direct": []}
    outcomes: dict[Engine, Any] = {}

    async def speak(node: Any, inputs: Inputs, context: Context) -> Message:
        text = "|".join(f"{name}={message.answer}" for name, message in inputs.messages.items())
        request = Request(node.model, (ChatMessage("user", f"{context.node} {inputs.round} {text}"),), 8)
        reply = await context.call(request)
        return said(f"{context.node}{reply.text}", inputs.round, inputs.messages, inputs.previous)

    node, kinds = made_of(speak)
    graph = random_graph(data.draw, node, kinds)
    # So much that no cap is met: which of two nodes side by side meets it first is chance.
    limit = data.draw(st.sampled_from([None, 20_000]))
    for engine in asked:
        model = ScriptedModel(noting(asked[engine]), name="small")
        pool, store = Pool([model]), MemoryStore()
        try:
            plan = graph.space(pool).default()
        except (GraphError, PlanError):
            return
        outcomes[engine] = asyncio.run(spans_of(graph, pool, store, plan, engine, limit))
    assert outcomes["direct"] == outcomes["langgraph"]
    assert sorted(asked["direct"]) == sorted(asked["langgraph"])


def noting(log: list[str]) -> Callable[[Request], str]:
    """A script that keeps what it was asked."""

    def say(request: Request) -> str:
        log.append(str(request.messages))
        return "x"

    return say


async def spans_of(
    graph: Graph, pool: Pool, store: MemoryStore, plan: Any, engine: Engine, limit: int | None
) -> tuple[Any, ...]:
    cap = None if limit is None else Cap(per_task=limit)
    async with Runner(graph, pool, store) as runner:
        result = await runner.run(TASK_, plan, engine=engine, cap=cap)
    spans = store.spans(result.run_id)
    read = sorted((s.node, s.round, s.status, s.answer, s.charged, s.events) for s in spans)
    assert traced_readings(spans) == result.gates
    return result.answer, result.status, result.charged, result.lost, result.gates, read


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


def test_without_a_session_it_says_what_is_missing(pool: Pool, kinds: Any, echo: Any) -> None:
    graph = Graph("alone", kinds=kinds).add("a", echo())
    app: Any = graph.to_langgraph(graph.space(pool).default(), pool).compile()
    with pytest.raises(UsageError, match=r"Runner.*session.*context=session"):
        asyncio.run(app.ainvoke({"task": Task(question="q")}))
