"""Gates in runs: what is not let through is not paid for."""

from __future__ import annotations

import asyncio
import json
from itertools import count

import pytest

from apportion import Cap, Decomposer, Gate, Graph, Merger, Pool, Prompt, Search, Solver, Task, Verifier, choose
from apportion.budgets.books import MemoryStore
from apportion.budgets.cap import in_unit
from apportion.errors import GraphError
from apportion.graphs.bounds import worst_case
from apportion.graphs.gate import GateReading
from apportion.graphs.gating import traced_readings
from apportion.graphs.result import Engine, Result
from apportion.graphs.run import Runner
from apportion.models.card import ModelCard
from apportion.records.rows import SpanRow, Unit
from apportion.records.status import Status
from apportion.records.usage import ZERO
from apportion.testing.scripted import ScriptedModel

ENGINES = ["langgraph", "direct"]


def unsure(gate: Gate) -> Graph:
    """One solver draws three samples; another looks again where they differ."""
    graph = Graph("unsure").add("first", Solver(model="small", samples=3, max_output_tokens=20))
    graph.add("second", Solver(model="large", max_output_tokens=30)).add("pick", Verifier())
    return graph.connect("first", "second", when=gate).connect("first", "pick").connect("second", "pick")


def models(*answers: str) -> tuple[ScriptedModel, ScriptedModel]:
    """A small model whose samples say these, and a large one that says 9."""
    small = ScriptedModel(lambda request: f"Answer: {answers[request.sample % len(answers)]}", name="small")
    return small, ScriptedModel(lambda request: "Answer: 9", name="large")


def run(
    graph: Graph, pool: Pool, engine: Engine, values: dict[str, object] | None = None, cap: Cap | None = None
) -> tuple[Result, dict[str, SpanRow]]:
    store = MemoryStore()

    async def main() -> Result:
        async with Runner(graph, pool, store) as runner:
            return await runner.run(Task(question="4?"), runner.space.plan(values), engine=engine, cap=cap)

    result = asyncio.run(main())
    return result, {span.node: span for span in store.spans(result.run_id)}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("answers", "threshold", "calls"), [("444", 0.9, 0), ("445", 0.9, 1), ("445", 0.5, 0), ("445", None, 1)]
)
def test_a_second_model_looks_only_where_the_first_is_unsure(
    engine: Engine, answers: str, threshold: float | None, calls: int
) -> None:
    small, large = models(*answers)
    graph = unsure(Gate("confidence", below=choose(0.9, 0.5)))
    result, spans = run(graph, Pool([small, large]), engine, {"first->second.when": threshold})
    assert len(large.requests) == calls
    assert spans["second"].status.value == ("ok" if calls else "skipped")
    assert spans["second"].reason == ("" if calls else "gate")
    (event,) = [event for event in json.loads(spans["second"].events) if event["event"] == "gate"]
    assert event["open"] is bool(calls)
    assert event["value"] == pytest.approx(1.0 if answers == "444" else 2 / 3)
    assert result.answer == ("9" if calls else "4")
    assert result.charged.tokens == sum(span.charged.tokens for span in spans.values())


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("said", "calls"), [("I don't know", 1), ("4", 0)])
def test_that_a_model_does_not_know_is_seen_behind_a_judge_too(engine: Engine, said: str, calls: int) -> None:
    small, large = models(said)
    graph = Graph("judged").add("first", Solver(model="small")).add("judge", Verifier())
    graph.add("second", Solver(model="large")).add("pick", Verifier(method="last")).connect("first", "judge")
    graph.connect("judge", "second", when=Gate("abstained")).connect("judge", "pick").connect("second", "pick")
    result, _ = run(graph, Pool([small, large]), engine)
    assert len(large.requests) == calls
    assert result.answer == ("9" if calls else "4")


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_comes_from_a_node_that_did_not_run(engine: Engine) -> None:
    """A shut gate silences all that hangs on it alone, and what reads it reads the others only."""
    small, large = models("4")
    graph = unsure(Gate("failed"))
    graph.add("third", Solver(model="large", max_output_tokens=30)).connect("second", "third").connect("third", "pick")
    _, spans = run(graph, Pool([small, large]), engine)
    assert not large.requests
    assert [spans[name].reason for name in ("second", "third")] == ["gate", "gate"]
    assert spans["pick"].answer == "4"


@pytest.mark.parametrize("engine", ENGINES)
def test_the_gate_behind_a_node_that_did_not_run_reads_nothing(engine: Engine) -> None:
    """What is not known counts as unsure; that nothing was said is no reason to open."""
    small, large = models("4")
    graph = unsure(Gate("failed"))
    graph.add("third", Solver(model="large", max_output_tokens=30)).connect("third", "pick")
    graph.connect("second", "third", when=Gate("confidence", below=0.9))
    result, spans = run(graph, Pool([small, large]), engine)
    assert not large.requests
    assert result.gates == (GateReading("first->second", False),)
    assert spans["third"].events == "[]"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("answers", ["444", "445"])
def test_a_result_has_what_the_gates_read_as_the_trace_does(engine: Engine, answers: str) -> None:
    small, large = models(*answers)
    result, spans = run(unsure(Gate("confidence", below=0.9)), Pool([small, large]), engine)
    (reading,) = result.gates
    assert reading.edge == "first->second"
    assert reading.value == pytest.approx(1.0 if answers == "444" else 2 / 3)
    assert traced_readings(spans.values()) == result.gates


def test_an_event_of_the_same_name_that_a_node_records_is_no_reading() -> None:
    events = [
        '[{"event": "gate"}, {"event": "gate", "source": "a", "value": 1}]',
        '[{"event": "gate", "source": "a", "signal": "confidence", "value": 0.5, "open": true},'
        ' {"event": "gate", "source": "a", "signal": "confidence", "value": 0.9, "open": true}]',
    ]
    spans = [
        SpanRow(f"s{n}", "r", f"n{n}", "k", 0, "", 0.0, 0.0, Status.OK, ZERO, ZERO, events=e)
        for n, e in enumerate(events)
    ]
    assert traced_readings(spans) == (GateReading("a->n1", 0.5),)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("most", "calls"), [(3, 1), (1, 0)])
def test_a_gate_may_read_how_many_queries_a_search_made(engine: Engine, most: int, calls: int) -> None:
    """The searcher asks until it must answer."""
    asked = count()
    searcher = ScriptedModel(lambda request: f"Search: query {next(asked)}", name="small")
    large = ScriptedModel(lambda request: "Answer: 9", name="large")
    graph = Graph("sought").add("seek", Search(model="small", retriever=lambda query, top_k: [query], rounds=most))
    graph.add("again", Solver(model="large")).add("pick", Verifier(method="last"))
    graph.connect("seek", "again", when=Gate("rounds", above=2)).connect("seek", "pick").connect("again", "pick")
    result, _ = run(graph, Pool([searcher, large]), engine)
    assert result.gates == (GateReading("seek->again", most),)
    assert len(large.requests) == calls


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("accepted_in", "calls"), [(1, 0), (2, 1)])
def test_a_gate_may_read_how_often_a_loop_has_run(engine: Engine, accepted_in: int, calls: int) -> None:
    scores = iter([10] * (accepted_in - 1) + [90] * 3)
    small = ScriptedModel(lambda request: "Answer: 4", name="small")
    judge = ScriptedModel(lambda request: f"Probability: {next(scores)}", name="judge")
    late = ScriptedModel(lambda request: "Answer: 9", name="late")
    graph = Graph("loop").add("solve", Solver(model="small", temperature=0.5))
    graph.add("check", Verifier(method="score", model="judge")).add("last", Solver(model="late"))
    graph.add("pick", Verifier(method="last")).connect("solve", "check").connect("check", "pick")
    graph.connect("check", "last", when=Gate("rounds", above=1)).connect("last", "pick").loop(
        "check", "solve", rounds=3
    )
    result, _ = run(graph, Pool([small, judge, late]), engine)
    assert result.gates == (GateReading("check->last", accepted_in),)
    assert len(late.requests) == calls


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("limit", "calls"), [(4000, 1), (950, 0)])
def test_a_gate_may_read_what_is_left(engine: Engine, limit: int, calls: int) -> None:
    small, large = models("4")
    graph = unsure(Gate("left_share", above=0.8))
    run(graph, Pool([small, large]), engine, cap=Cap(per_task=limit))
    assert len(large.requests) == calls
    _, free = models("4")
    run(graph, Pool([small, free]), engine)
    assert len(free.requests) == 1


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("unit", ["weighted", "usd"])
def test_what_is_left_is_read_in_the_unit_of_the_cap(engine: Engine, unit: Unit) -> None:
    """Two thirds of the cap are gone behind the first node, whatever it is counted in."""
    cards = [
        ModelCard(name=name, provider="scripted", weight=2.0, input_usd_per_million=1.0, output_usd_per_million=1.0)
        for name in ("small", "large")
    ]
    small, large = (ScriptedModel(lambda request: "Answer: 4", name=card.name, card=card) for card in cards)
    graph, pool = unsure(Gate("left_share", above=0.8)), Pool([small, large])
    free, _ = run(graph, pool, engine)
    spent = 1.5 * in_unit(free.charged, unit)
    room = in_unit(worst_case(graph, graph.space(pool).default(), Task(question="4?"), pool).total, unit)
    calls = len(large.requests)
    assert calls == 1
    run(graph, pool, engine, cap=Cap(per_task=max(spent, room), unit=unit))
    assert len(large.requests) == calls


@pytest.mark.parametrize("engine", ENGINES)
def test_a_gate_in_a_loop_is_read_in_every_round(engine: Engine) -> None:
    """The judge rejects the first round, so that the helper runs in the second."""
    said = iter(["Answer: 4", "Answer: 5"])
    small = ScriptedModel(lambda request: next(said), name="small")
    scores = iter(["Probability: 10", "Probability: 90"])
    judge = ScriptedModel(lambda request: next(scores), name="judge")
    graph = Graph("loop").add("solve", Solver(model="small")).add("check", Verifier(method="score", model="judge"))
    graph.add("last", Solver(model="late")).connect("solve", "check").connect("check", "last", when=Gate("rejected"))
    graph.add("pick", Verifier()).connect("check", "pick").connect("last", "pick").loop("check", "solve", rounds=2)
    late = ScriptedModel(lambda request: "Answer: 9", name="late")
    result, spans = run(graph, Pool([small, judge, late]), engine)
    assert spans["last"].reason == "gate"
    assert result.answer == "5"
    assert not late.requests


@pytest.mark.parametrize("engine", ENGINES)
def test_a_gate_into_a_group_is_in_the_trace_of_each_part(engine: Engine) -> None:
    split = '{"parts": ["2+2?", "3+3?"], "combine": "{p1} and {p2}"}'
    small = ScriptedModel(lambda request: split if "Split" in request.messages[0].content else "Answer: 4", name="m")
    graph = Graph("parts").add("hint", Solver(model="m")).add("split", Decomposer(model="m"))
    graph.add("part", Solver(model="m")).add("merge", Merger(model="m")).each("split", "part", "merge")
    graph.connect("hint", "part", when=Gate("confidence", below=0.5))
    store = MemoryStore()

    async def main() -> Result:
        async with Runner(graph, Pool([small]), store) as runner:
            return await runner.run(Task(question="2+2 and 3+3?"), runner.space.default(), engine=engine)

    parts = [span for span in store.spans(asyncio.run(main()).run_id) if span.node == "part"]
    assert len(parts) == 2
    assert all('"event": "gate", "source": "hint"' in span.events for span in parts)


def test_the_bound_is_that_of_open_gates() -> None:
    pool = Pool(models("4"))
    gated = unsure(Gate("confidence", below=0.9))
    plain = Graph("unsure").add("first", Solver(model="small", samples=3, max_output_tokens=20))
    plain.add("second", Solver(model="large", max_output_tokens=30)).add("pick", Verifier())
    plain.connect("first", "second").connect("first", "pick").connect("second", "pick")
    bounds = [graph.space(pool) for graph in (gated, plain)]

    task = Task(question="4?")
    one, other = (worst_case(space.graph, space.default(), task, pool) for space in bounds)
    assert one.total == other.total


def test_a_graph_whose_only_way_has_a_gate_is_refused() -> None:
    graph = Graph("shut").add("a", Solver(model="m")).add("b", Solver(model="m"))
    graph.connect("a", "b", when=Gate("failed"))
    with pytest.raises(GraphError, match="when every gate is shut; leave one way to it without a gate"):
        graph.hash  # noqa: B018
    assert graph.start("b").blueprint.gated


def test_the_edges_of_a_group_have_no_gates() -> None:

    graph = Graph("parts").add("split", Decomposer(model="m")).add("part", Solver(model="m"))
    graph.add("merge", Merger(model="m")).each("split", "part", "merge")
    graph.connect("split", "part", when=Gate("failed"))
    with pytest.raises(GraphError, match=r"is implied by each.*cannot have a gate"):
        graph.hash  # noqa: B018


def test_gates_are_in_the_hash_the_file_and_the_drawing() -> None:
    graph = unsure(Gate("confidence", below=choose(0.5, 0.8)))
    again = Graph.from_json(graph.to_json())
    assert again.hash == graph.hash != unsure(Gate("confidence", below=0.5)).hash
    assert "when confidence below 0.5 | 0.8 | always" in graph.draw()
    plan = graph.space(Pool(models("4"))).plan({"first->second.when": 0.8})
    assert "when confidence below 0.8" in graph.draw(plan=plan)
    assert '"when"' not in unsure(Gate("failed")).to_json()


def test_a_prompt_reads_nothing_of_a_node_that_did_not_run() -> None:
    small, large = models("4")
    graph = Graph("named").add("a", Solver(model="small")).add("b", Solver(model="large"))
    prompt = Prompt("[{node:b}] {question} {format}", name="named")
    graph.add("c", Solver(model="small", prompt=prompt)).connect("a", "b", when=Gate("failed"))
    graph.connect("a", "c").connect("b", "c")
    run(graph, Pool([small, large]), "direct")
    assert small.requests[-1].messages[-1].content.startswith("[] 4?")
