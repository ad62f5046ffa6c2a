from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apportion.budgets.books import MemoryStore
from apportion.budgets.cap import Cap
from apportion.errors import BudgetBreach, CallFailed, NodeFailed, StoreError
from apportion.graphs.finishing import direct_call
from apportion.graphs.graph import Graph
from apportion.graphs.result import Result
from apportion.graphs.run import Runner
from apportion.models.request import Reply, Request
from apportion.nodes.base import Context, Inputs
from apportion.nodes.prompts import dialect_named
from apportion.nodes.solver import Solver
from apportion.records.message import Message, Part
from apportion.records.status import Status
from apportion.records.task import Task
from apportion.records.usage import ZERO, Usage
from apportion.stores.opening import open_store

TASK = Task(question="what is 6 * 7?", gold="42")
Made = Callable[..., tuple[type[Any], Any]]


def test_each_span_is_charged_for_its_own_calls(bench: Any, made_of: Made) -> None:
    """Whatever the interleaving of nodes, samples and runs."""
    generator = random.Random(3)

    async def several(_: Any, inputs: Inputs, context: Context) -> Message:
        async def one(number: int) -> None:
            await asyncio.sleep(generator.random() / 500)
            try:
                await context.call(
                    bench.ask(f"{inputs.question} {context.node}" + "x" * generator.randrange(9), sample=number)
                )
            except CallFailed:
                await asyncio.sleep(0)

        await asyncio.gather(*(one(number) for number in range(generator.randrange(1, 5))))
        return Message(answer=context.node)

    def script(request: Request) -> str:
        if generator.random() < 0.2:
            raise CallFailed(Status.TIMEOUT, "no answer in time")
        return "y" * generator.randrange(1, 20)

    store, pool = MemoryStore(), bench.one_model(script)

    async def main() -> list[Result]:
        async with Runner(bench.fan(made_of(several), 4), pool, store) as runner:
            plan = runner.space.default()
            tasks = [Task(question=f"question {number}") for number in range(6)]
            return await asyncio.gather(*(runner.run(task, plan) for task in tasks))

    results = asyncio.run(main())
    assert any(result.lost != ZERO for result in results)
    for result in results:
        calls = store.calls(result.run_id)
        for span in store.spans(result.run_id):
            own = [call for call in calls if call.span_id == span.span_id]
            assert span.charged == sum((call.charged for call in own), ZERO)
            assert span.lost == sum((call.lost for call in own), ZERO)
        assert result.charged == sum((call.charged for call in calls), ZERO)
        assert result.lost == sum((call.lost for call in calls), ZERO)


def test_what_an_answer_rests_on_is_on_the_books(bench: Any, made_of: Made) -> None:
    async def found(_: Any, inputs: Inputs, context: Context) -> Message:
        evidence = ("Ötzi is 5,300 years old.", '"quoted"') if context.node == "a" else ()
        return Message(answer="42", evidence=evidence)

    store = MemoryStore()
    result = bench.run(bench.chain(made_of(found), "a", "b"), bench.one_model(), store)
    first, second = store.spans(result.run_id)
    assert (json.loads(first.evidence), second.evidence) == (["Ötzi is 5,300 years old.", '"quoted"'], "[]")
    assert "Ötzi" in first.evidence, "it can be read"


def test_after_the_cap_only_the_final_node_runs(bench: Any, made_of: Made) -> None:
    ran: list[str] = []

    async def step(_: Any, inputs: Inputs, context: Context) -> Message:
        ran.append(context.node)
        if context.node == "b":
            await context.call(bench.ask("x" * 10_000))
        return Message(answer=f"by {context.node}")

    store = MemoryStore()
    result = bench.run(bench.chain(made_of(step), "a", "b", "c", "d"), bench.one_model(), store, cap=Cap(per_task=500))
    assert ran == ["a", "b", "d"]
    assert (result.answer, result.stop_reason) == ("by d", "budget")
    assert bench.spans(store, result)["b"].status is Status.BUDGET
    assert bench.spans(store, result)["c"].status is Status.SKIPPED


def test_a_failed_call_is_a_status(bench: Any, made_of: Made) -> None:
    def script(request: Request) -> str:
        raise CallFailed(Status.FILTERED, "not allowed")

    store = MemoryStore()
    result = bench.run(bench.chain(made_of(bench.answer), "a", "b"), bench.one_model(script), store, metric=bench.right)
    assert (result.status, result.stop_reason, result.score) == (Status.FILTERED, "complete", 0.0)
    assert result.lost.tokens > 0
    assert bench.spans(store, result)["a"].reason == "not allowed"


def test_a_node_that_returns_something_else(bench: Any, made_of: Made) -> None:
    async def wrong(*_: Any) -> Any:
        return "42"

    with pytest.raises(NodeFailed, match="must return a Message, not str"):
        bench.run(bench.chain(made_of(wrong), "a"), bench.one_model(), MemoryStore())


def test_a_breach_inside_a_group_of_exceptions(bench: Any, made_of: Made) -> None:
    async def grouped(_: Any, inputs: Inputs, context: Context) -> Message:
        async with asyncio.TaskGroup() as group:
            group.create_task(context.call(bench.ask("a")))
        return Message()

    pool = bench.one_model(lambda request: Reply("", "stop", Usage(10_000, 1)))
    with pytest.raises(BudgetBreach):
        bench.run(bench.chain(made_of(grouped), "a"), pool, MemoryStore())


def test_books_that_fail_end_the_run_and_are_not_blamed_on_a_node(bench: Any, made_of: Made, tmp_path: Path) -> None:
    async def ask(_: Any, inputs: Inputs, context: Context) -> Message:
        await context.call(bench.ask(context.node))
        path.unlink(missing_ok=True)
        return Message(answer="x")

    path = tmp_path / "books.db"
    store = open_store(path)
    calls: list[Request] = []

    def script(request: Request) -> str:
        calls.append(request)
        return "y"

    pool = bench.one_model(script)
    with pytest.raises(StoreError, match=r"books\.db was deleted"):
        bench.run(bench.chain(made_of(ask), *"abc"), pool, store)
    assert len(calls) == 1
    with pytest.raises(StoreError, match="could not be booked"):
        store.close()


def test_latency_is_the_critical_path(bench: Any, made_of: Made) -> None:
    """Supersteps are lockstep, so the wall clock of two unequal branches is longer than either."""
    waits = {"a1": 0.05, "a2": 0.01, "b1": 0.01, "b2": 0.05, "last": 0.0}

    async def wait(_: Any, inputs: Inputs, context: Context) -> Message:
        await asyncio.sleep(waits[context.node])
        return Message(answer="x")

    node, kinds = made_of(wait)
    graph = Graph("g", kinds=kinds)
    for name in waits:
        graph.add(name, node(model="small"))
    graph.connect("a1", "a2").connect("b1", "b2").connect("a2", "last").connect("b2", "last")
    store = MemoryStore()
    result = bench.run(graph, bench.one_model(), store)
    found = bench.spans(store, result)
    lengths = {name: found[name].ended_at - found[name].started_at for name in waits}
    expected = max(lengths["a1"] + lengths["a2"], lengths["b1"] + lengths["b2"]) + lengths["last"]
    assert result.latency == pytest.approx(expected, abs=1e-5)
    row = store.runs()[0]
    lockstep = max(lengths["a1"], lengths["b1"]) + max(lengths["a2"], lengths["b2"]) + lengths["last"]
    assert row.ended_at - row.started_at > lockstep - 1e-3
    assert lockstep >= result.latency - 1e-5


def parts_graph(made: tuple[type[Any], Any]) -> Graph:
    node, kinds = made
    graph = Graph("parts", kinds=kinds)
    for name in ("split", "hint", "part", "merge"):
        graph.add(name, node(model="small"))
    return graph.each("split", "part", "merge").connect("hint", "part")


def test_parts_run_in_waves_with_the_answers_they_need(bench: Any, made_of: Made) -> None:
    parts = (Part("p1", "two?"), Part("p2", "three?"), Part("p3", "{p1} and {p2}?", ("p1", "p2")))
    order: list[str] = []

    async def step(_: Any, inputs: Inputs, context: Context) -> Message:
        if context.node == "split":
            return Message(parts=parts, combine="{p3}")
        if context.node == "part":
            assert set(inputs.messages) == {"hint"}
            order.append(f"begin {inputs.question}")
            await asyncio.sleep(0.001)
            order.append(f"end {inputs.question}")
            return Message(answer=inputs.question.rstrip("?"), evidence=("seen",))
        if context.node == "merge":
            found = {c.source: c.answer for c in inputs.messages["part"].candidates}
            assert inputs.messages["split"].combine == "{p3}"
            assert inputs.messages["part"].evidence == ("seen",)
            return Message(answer=found["p3"])
        return Message(answer="hint")

    store = MemoryStore()
    result = bench.run(parts_graph(made_of(step)), bench.one_model(), store)
    assert result.answer == "two and three"
    assert order[:2] == ["begin two?", "begin three?"]
    assert order[-2:] == ["begin two and three?", "end two and three?"]
    assert [s.part for s in store.spans(result.run_id) if s.node == "part"] == ["two?", "three?", "two and three?"]


def test_a_part_that_fails_does_not_stop_the_others(bench: Any, made_of: Made) -> None:
    parts = (Part("p1", "bad"), Part("p2", "good"), Part("p3", "needs {p1}", ("p1",)), Part("p4", "round", ("p4",)))
    seen: dict[str, str] = {}

    async def step(_: Any, inputs: Inputs, context: Context) -> Message:
        if context.node == "split":
            return Message(parts=parts)
        if context.node == "part":
            if inputs.question == "bad":
                raise CallFailed(Status.STARVED, "too short")
            return Message(answer=inputs.question)
        if context.node == "merge":
            message = inputs.messages["part"]
            seen.update({c.source: c.answer for c in message.candidates})
            return Message(answer="merged", status=message.status, reason=message.reason)
        return Message()

    store = MemoryStore()
    result = bench.run(parts_graph(made_of(step)), bench.one_model(), store)
    assert seen == {"p1": "", "p2": "good", "p3": "", "p4": ""}
    assert result.status is Status.STARVED
    assert sorted(s.part for s in store.spans(result.run_id) if s.node == "part") == ["bad", "good"]


def test_without_parts_nothing_is_solved(bench: Any, made_of: Made) -> None:
    async def step(_: Any, inputs: Inputs, context: Context) -> Message:
        if context.node == "split":
            return Message(status=Status.PARSE_ERROR, reason="no list")
        if context.node == "merge":
            return inputs.messages["part"]
        return Message()

    store = MemoryStore()
    result = bench.run(parts_graph(made_of(step)), bench.one_model(), store)
    assert result.status is Status.PARSE_ERROR
    assert "part" not in bench.spans(store, result)


def test_the_parts_of_a_question_share_its_cap(bench: Any, made_of: Made) -> None:
    async def step(_: Any, inputs: Inputs, context: Context) -> Message:
        if context.node == "split":
            return Message(parts=tuple(Part(f"p{number}", f"part {number}") for number in range(4)))
        if context.node == "part":
            said: Message = await bench.answer(_, inputs, context)
            return said
        if context.node == "merge":
            return Message(answer=",".join(c.answer for c in inputs.messages["part"].candidates))
        return Message()

    store, pool = MemoryStore(), bench.one_model(lambda request: "4" * request.max_output_tokens)
    _, allowance = direct_call(TASK, pool, dialect_named, "tokens")
    bound = 16 + 8 + len("part part 1") + 20
    result = bench.run(parts_graph(made_of(step)), pool, store, cap=Cap(per_task=2 * bound + allowance.tokens))
    assert result.stop_reason == "budget"
    assert sorted(result.answer.split(",")) == ["", "", "4" * 20, "4" * 20]
    assert [s.status for s in store.spans(result.run_id) if s.node == "part"].count(Status.BUDGET) == 2


def test_more_parts_than_the_graph_was_bounded_for_do_not_run(bench: Any, made_of: Made) -> None:
    async def step(_: Any, inputs: Inputs, context: Context) -> Message:
        if context.node == "split":
            return Message(parts=tuple(Part(f"p{number}", "?") for number in range(20)))
        if context.node == "merge":
            return replace(inputs.messages["part"], answer="merged")
        return Message(answer="x")

    store = MemoryStore()
    result = bench.run(parts_graph(made_of(step)), bench.one_model(), store)
    assert len([span for span in store.spans(result.run_id) if span.node == "part"]) == 16
    assert result.status is Status.SKIPPED


def test_a_round_that_the_cap_ends_does_not_undo_the_one_before(bench: Any, made_of: Made) -> None:
    async def step(_: Any, inputs: Inputs, context: Context) -> Message:
        if context.node == "solve" and inputs.round:
            await context.call(bench.ask("x" * 10_000))
        if context.node == "check" and inputs.messages["solve"].status.failed:
            return Message(status=Status.SKIPPED, reason="nothing to check")
        return Message(answer="42", accepted=False)

    graph, store = bench.chain(made_of(step), "solve", "check").loop("check", "solve", rounds=3), MemoryStore()
    pool = bench.one_model()
    result = bench.run(graph, pool, store, cap=Cap(per_task=500))
    assert (result.answer, result.status, result.stop_reason) == ("42", Status.OK, "budget")
    assert [(span.node, span.round) for span in store.spans(result.run_id)] == [
        ("solve", 0),
        ("check", 0),
        ("solve", 1),
        ("check", 1),
    ]
    assert pool.model("small").requests == ()


def test_a_sample_that_could_not_be_read_is_found_on_its_call_also_where_its_span_is_ok(bench: Any) -> None:
    store = MemoryStore()
    pool = bench.one_model(lambda request: "~~" if request.sample == 1 else "Answer: 42")
    graph = Graph("g").add("solve", Solver(model=pool.cards[0].name, style="think", samples=3))
    result = graph.run(TASK, pool=pool, store=store)
    assert result.status is Status.OK
    assert {call.sample_index: call.outcome for call in store.calls(result.run_id)} == {
        0: Status.OK,
        1: Status.PARSE_ERROR,
        2: Status.OK,
    }
    assert next(call.error for call in store.calls(result.run_id) if call.error).endswith("'~~'")


def test_a_node_that_reads_by_itself_fails_for_its_last_reply_alone(bench: Any, made_of: Made) -> None:
    async def twice(_: Any, inputs: Inputs, context: Context) -> Message:
        await context.call(bench.ask("first"))
        await context.call(bench.ask("second"))
        return Message(status=Status.PARSE_ERROR)

    store = MemoryStore()
    result = bench.run(bench.chain(made_of(twice), "a"), bench.one_model(), store)
    assert [call.outcome for call in store.calls(result.run_id)] == [Status.OK, Status.PARSE_ERROR]
    assert "no answer could be read" in store.calls(result.run_id)[1].error
