from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from apportion.budgets.books import MemoryStore
from apportion.budgets.cap import Cap
from apportion.errors import BudgetBreach, CallFailed, NodeFailed, UnknownName
from apportion.graphs.finishing import direct_call
from apportion.graphs.graph import Graph
from apportion.graphs.run import Result, Runner
from apportion.graphs.session import FINISH
from apportion.models.card import ModelCard
from apportion.models.pool import Pool
from apportion.models.request import ChatMessage, Reply, Request
from apportion.nodes.base import Context, Inputs, Kind, Node
from apportion.nodes.kinds import kinds_with
from apportion.nodes.prompts import dialect_named
from apportion.records.message import Candidate, Message, Part
from apportion.records.rows import AccountRow, Limit, SpanRow
from apportion.records.status import Status
from apportion.records.task import Task
from apportion.records.usage import ZERO, Amount, Usage
from apportion.testing.scripted import ScriptedModel

TASK = Task(question="what is 6 * 7?", gold="42")
Made = Callable[..., tuple[type[Any], Any]]


def ask(text: str, tokens: int = 20, sample: int = 0) -> Request:
    return Request("small", (ChatMessage("user", text),), tokens, sample=sample)


async def answer(_: Any, inputs: Inputs, context: Context) -> Message:
    reply = await context.call(ask(f"{context.node} {inputs.question}"))
    return Message(answer=reply.text)


def right(task: Task, said: str) -> float:
    return float(said == task.gold)


def one_model(script: Callable[[Request], str | Reply] = lambda request: "42", **card: Any) -> Pool:
    return Pool([ScriptedModel(script, name="small", card=ModelCard(name="small", attempts=1, **card))])


def fan(made: tuple[type[Any], Any], width: int) -> Graph:
    node, kinds = made
    graph = Graph("fan", kinds=kinds)
    for number in range(width):
        graph.add(f"n{number}", node(model="small"))
    graph.add("last", node(model="small"))
    for number in range(width):
        graph.connect(f"n{number}", "last")
    return graph


def chain(made: tuple[type[Any], Any], *names: str) -> Graph:
    node, kinds = made
    graph = Graph("chain", kinds=kinds)
    for name in names:
        graph.add(name, node(model="small"))
    for source, target in itertools.pairwise(names):
        graph.connect(source, target)
    return graph


def run(graph: Graph, pool: Pool, store: MemoryStore, task: Task = TASK, **settings: Any) -> Result:
    async def main() -> Result:
        async with Runner(graph, pool, store) as runner:
            return await runner.run(task, runner.space.default(), **settings)

    return asyncio.run(main())


def spans(store: MemoryStore, result: Result) -> dict[str, SpanRow]:
    return {span.node: span for span in store.spans(result.run_id)}


def test_a_run_is_on_the_books(made_of: Made) -> None:
    store = MemoryStore()
    graph = chain(made_of(answer), "a", "b")
    result = run(graph, one_model(), store, metric=right, trial_id="t1")
    assert (result.answer, result.status, result.stop_reason, result.score) == ("42", Status.OK, "complete", 1.0)
    (row,) = store.runs(trial_id="t1")
    assert (row.run_id, row.task_id, row.answer, row.charged) == (result.run_id, TASK.task_id, "42", result.charged)
    task = store.task(TASK.task_id)
    assert task is not None
    assert Task.model_validate_json(task.content) == TASK
    plan = store.plan(result.plan_hash)
    assert plan is not None
    assert plan.graph_hash == graph.hash
    assert "flowchart" in plan.drawing
    found = store.spans(result.run_id)
    assert [span.node for span in found] == ["a", "b"]
    assert sum((span.charged for span in found), ZERO) == result.charged
    calls = store.calls(result.run_id)
    assert [call.span_id for call in calls] == [span.span_id for span in found]
    assert [call.charged for call in calls] == [span.charged for span in found]


def test_each_span_is_charged_for_its_own_calls(made_of: Made) -> None:
    """Whatever the interleaving of nodes, samples and runs."""
    generator = random.Random(3)

    async def several(_: Any, inputs: Inputs, context: Context) -> Message:
        async def one(number: int) -> None:
            await asyncio.sleep(generator.random() / 500)
            try:
                await context.call(
                    ask(f"{inputs.question} {context.node}" + "x" * generator.randrange(9), sample=number)
                )
            except CallFailed:
                await asyncio.sleep(0)

        await asyncio.gather(*(one(number) for number in range(generator.randrange(1, 5))))
        return Message(answer=context.node)

    def script(request: Request) -> str:
        if generator.random() < 0.2:
            raise CallFailed(Status.TIMEOUT, "no answer in time")
        return "y" * generator.randrange(1, 20)

    store, pool = MemoryStore(), one_model(script)

    async def main() -> list[Result]:
        async with Runner(fan(made_of(several), 4), pool, store) as runner:
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


def test_a_fan_out_of_four_under_a_cap_for_two(made_of: Made) -> None:
    """One final answer, made of what there was, with the stop reason budget."""

    async def slow(_: Any, inputs: Inputs, context: Context) -> Message:
        if context.node == "last":
            reply = await context.call(ask("x" * 90))
            return Message(answer=reply.text)
        reply = await context.call(ask("x" * 90 + context.node, tokens=10))
        return Message(answer=reply.text, candidates=(Candidate(reply.text),))

    pool, store = one_model(lambda request: "7" * request.max_output_tokens), MemoryStore()
    _, allowance = direct_call(TASK, pool, dialect_named, "tokens")
    per_call = 16 + 8 + 92 + 10
    result = run(fan(made_of(slow), 4), pool, store, cap=Cap(per_task=2 * per_call + allowance.tokens))
    assert (result.answer, result.status, result.stop_reason) == ("7" * 10, Status.OK, "budget")
    statuses = [span.status for span in store.spans(result.run_id)]
    assert statuses.count(Status.OK) == 2
    assert statuses.count(Status.BUDGET) == 3
    assert result.charged.tokens == 2 * per_call
    assert result.short_account.startswith("run-")


def test_after_the_cap_only_the_final_node_runs(made_of: Made) -> None:
    ran: list[str] = []

    async def step(_: Any, inputs: Inputs, context: Context) -> Message:
        ran.append(context.node)
        if context.node == "b":
            await context.call(ask("x" * 10_000))
        return Message(answer=f"by {context.node}")

    store = MemoryStore()
    result = run(chain(made_of(step), "a", "b", "c", "d"), one_model(), store, cap=Cap(per_task=500))
    assert ran == ["a", "b", "d"]
    assert (result.answer, result.stop_reason) == ("by d", "budget")
    assert spans(store, result)["b"].status is Status.BUDGET
    assert spans(store, result)["c"].status is Status.SKIPPED


def test_without_a_candidate_the_allowance_buys_a_direct_answer(made_of: Made) -> None:
    async def too_large(_: Any, inputs: Inputs, context: Context) -> Message:
        reply = await context.call(ask("x" * 10_000))
        return Message(answer=reply.text)

    store, pool = MemoryStore(), one_model(lambda request: "Answer: 42")
    _, allowance = direct_call(TASK, pool, dialect_named, "tokens")
    result = run(chain(made_of(too_large), "a", "b"), pool, store, cap=Cap(per_task=allowance.tokens), metric=right)
    assert (result.answer, result.status, result.stop_reason, result.score) == ("42", Status.OK, "budget", 1.0)
    last = store.spans(result.run_id)[-1]
    assert (last.node, last.kind, last.charged) == ("b", FINISH, result.charged)
    assert 0 < result.charged.tokens <= allowance.tokens


def test_an_allowance_that_does_not_fit_is_a_typed_refusal(made_of: Made) -> None:
    pool = one_model()
    model: Any = pool.model("small")
    store = MemoryStore()
    result = run(chain(made_of(answer), "a"), pool, store, cap=Cap(per_task=20), metric=right)
    assert (result.answer, result.status, result.stop_reason, result.score) == ("", Status.BUDGET, "budget", 0.0)
    assert model.requests == ()
    assert store.runs()[0].status is Status.BUDGET


def test_the_allowance_is_given_back(made_of: Made) -> None:
    store = MemoryStore()

    async def main() -> Any:
        async with Runner(chain(made_of(answer), "a"), one_model(), store) as runner:
            batch = runner.open_account(AccountRow("batch", limit=Limit("tokens", 10_000)))
            await runner.run(TASK, runner.space.default(), parent_account=batch, cap=Cap(total=10_000))
            return runner.ledger.balance(batch)

    balance = asyncio.run(main())
    assert balance.reserved == ZERO
    assert balance.charged.tokens > 0


def test_a_parent_account_that_is_short(made_of: Made) -> None:
    store = MemoryStore()

    async def main() -> Result:
        async with Runner(chain(made_of(answer), "a"), one_model(), store) as runner:
            runner.open_account(AccountRow("study", limit=Limit("tokens", 5), measure="paid"))
            return await runner.run(TASK, runner.space.default(), parent_account="study")

    result = asyncio.run(main())
    assert (result.status, result.stop_reason, result.short_account) == (Status.BUDGET, "budget", "study")


def test_an_account_that_was_not_opened(made_of: Made) -> None:
    with pytest.raises(UnknownName, match="nowhere"):
        run(chain(made_of(answer), "a"), one_model(), MemoryStore(), parent_account="nowhere")


def test_a_failed_call_is_a_status(made_of: Made) -> None:
    def script(request: Request) -> str:
        raise CallFailed(Status.FILTERED, "not allowed")

    store = MemoryStore()
    result = run(chain(made_of(answer), "a", "b"), one_model(script), store, metric=right)
    assert (result.status, result.stop_reason, result.score) == (Status.FILTERED, "complete", 0.0)
    assert result.lost.tokens > 0
    assert spans(store, result)["a"].reason == "not allowed"


def test_a_programming_error_is_raised_once_the_run_is_on_the_books(made_of: Made) -> None:
    ran: list[str] = []

    async def broken(_: Any, inputs: Inputs, context: Context) -> Message:
        ran.append(context.node)
        if context.node == "n0":
            await asyncio.sleep(0.001)
            raise ZeroDivisionError("in the node")
        return await answer(_, inputs, context)

    store = MemoryStore()
    with pytest.raises(NodeFailed, match=r"node 'n0' .*ZeroDivisionError: in the node") as caught:
        run(fan(made_of(broken), 3), one_model(), store)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    (row,) = store.runs()
    assert (row.status, row.stop_reason) == (Status.UNKNOWN, "error")
    assert {span.node: span.status for span in store.spans(row.run_id)}["n1"] is Status.OK
    assert sorted(ran) == ["n0", "n1", "n2"]


def test_a_node_that_returns_something_else(made_of: Made) -> None:
    async def wrong(*_: Any) -> Any:
        return "42"

    with pytest.raises(NodeFailed, match="must return a Message, not str"):
        run(chain(made_of(wrong), "a"), one_model(), MemoryStore())


def test_a_breach_ends_the_run(made_of: Made) -> None:
    store = MemoryStore()
    pool = one_model(lambda request: Reply("42", "stop", Usage(10_000, 1)))
    with pytest.raises(BudgetBreach, match="10,001 tokens"):
        run(chain(made_of(answer), "a", "b"), pool, store)
    (row,) = store.runs()
    assert (row.stop_reason, row.status, row.charged.tokens) == ("breach", Status.PROVIDER_ERROR, 10_001)
    assert [span.node for span in store.spans(row.run_id)] == ["a"]


def test_a_breach_inside_a_group_of_exceptions(made_of: Made) -> None:
    async def grouped(_: Any, inputs: Inputs, context: Context) -> Message:
        async with asyncio.TaskGroup() as group:
            group.create_task(context.call(ask("a")))
        return Message()

    with pytest.raises(BudgetBreach):
        run(chain(made_of(grouped), "a"), one_model(lambda request: Reply("", "stop", Usage(10_000, 1))), MemoryStore())


def test_cancelling_settles_and_propagates(made_of: Made) -> None:
    store = MemoryStore()

    async def main() -> Any:
        reached = asyncio.Event()

        class Hanging(ScriptedModel):
            async def complete(self, request: Request) -> Reply:
                if "n0" in request.messages[0].content:
                    return await super().complete(request)
                reached.set()
                await asyncio.sleep(60)
                raise AssertionError

        pool = Pool([Hanging(lambda request: "42", name="small")])
        async with Runner(fan(made_of(answer), 3), pool, store) as runner:
            batch = runner.open_account(AccountRow("batch", limit=Limit("tokens", 10_000)))
            running = asyncio.create_task(
                runner.run(TASK, runner.space.default(), parent_account=batch, cap=Cap(total=10_000))
            )
            await reached.wait()
            await asyncio.sleep(0.01)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            return runner.ledger.balance(batch)

    balance = asyncio.run(main())
    (row,) = store.runs()
    assert (row.status, row.stop_reason) == (Status.CANCELLED, "cancelled")
    assert balance.reserved == ZERO
    assert balance.lost == row.lost
    assert balance.charged == row.charged
    assert row.lost.tokens == 2 * (16 + 8 + len("n1 what is 6 * 7?") + 20)
    found = {span.node: span.status for span in store.spans(row.run_id)}
    assert found == {"n0": Status.OK, "n1": Status.CANCELLED, "n2": Status.CANCELLED}


def test_scores(made_of: Made) -> None:
    graph, pool, store = chain(made_of(answer), "a"), one_model(), MemoryStore()
    assert run(graph, pool, store, metric=right).score == 1.0
    assert run(graph, pool, store, Task(question="?"), metric=right).score is None
    assert run(graph, pool, store, Task(question="?", metadata={"at least": 40}), metric=right).score == 0.0
    assert run(graph, pool, store).score is None


def test_a_metric_that_fails_is_raised_with_the_run_on_the_books(made_of: Made) -> None:
    def broken(task: Task, said: str) -> float:
        raise ValueError("in the metric")

    store = MemoryStore()
    with pytest.raises(ValueError, match="in the metric"):
        run(chain(made_of(answer), "a"), one_model(), store, metric=broken)
    assert (store.runs()[0].answer, store.runs()[0].score, store.runs()[0].stop_reason) == ("42", None, "error")


def test_cold_and_warm_runs_are_charged_alike(made_of: Made) -> None:
    store, pool = MemoryStore(), one_model()
    graph = fan(made_of(answer), 3)
    cold = run(graph, pool, store, cap=Cap(per_task=700))
    model: Any = pool.model("small")
    calls = len(model.requests)
    warm = run(graph, pool, store, cap=Cap(per_task=700))
    assert len(model.requests) == calls
    assert (warm.charged, warm.answer, warm.stop_reason) == (cold.charged, cold.answer, cold.stop_reason)


def test_latency_is_the_critical_path(made_of: Made) -> None:
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
    result = run(graph, one_model(), store)
    found = spans(store, result)
    lengths = {name: found[name].ended_at - found[name].started_at for name in waits}
    expected = max(lengths["a1"] + lengths["a2"], lengths["b1"] + lengths["b2"]) + lengths["last"]
    assert result.latency == pytest.approx(expected, abs=1e-5)
    row = store.runs()[0]
    assert row.ended_at - row.started_at > result.latency + 0.02


def test_what_is_left(made_of: Made) -> None:
    seen: list[Amount | None] = []

    async def look(_: Any, inputs: Inputs, context: Context) -> Message:
        seen.append(context.allowance)
        return await answer(_, inputs, context)

    graph, pool = chain(made_of(look), "a"), one_model()
    run(graph, pool, MemoryStore())
    _, allowance = direct_call(TASK, pool, dialect_named, "tokens")
    run(graph, pool, MemoryStore(), cap=Cap(per_task=1000))
    assert seen[0] is None
    assert seen[1] is not None
    assert seen[1].tokens == 1000 - allowance.tokens
    assert not Amount(1, 10**9, 10**9).exceeds(seen[1])


def test_what_a_kind_opens_is_opened_once_and_closed(echo: Any) -> None:
    events: list[str] = []

    @contextmanager
    def opened(node: Node) -> Iterator[str]:
        events.append("open")
        yield "index"
        events.append("close")

    async def read(_: Any, inputs: Inputs, context: Context) -> Message:
        events.append(context.resource)
        context.record("read", place=context.resource)
        return Message(answer="x")

    kinds = kinds_with(Kind(config=echo, run=read, worst_case=lambda *_: (), open=opened))
    store = MemoryStore()

    async def main() -> None:
        async with Runner(Graph("g", kinds=kinds).add("a", echo(model="small")), one_model(), store) as runner:
            for _ in range(2):
                await runner.run(TASK, runner.space.default())

    asyncio.run(main())
    assert events == ["open", "index", "index", "close"]
    (span,) = store.spans(store.runs()[0].run_id)
    assert json.loads(span.events) == [{"event": "read", "place": "index"}]


def test_runs_in_progress_are_bounded(made_of: Made) -> None:
    now, most = 0, 0

    async def count(_: Any, inputs: Inputs, context: Context) -> Message:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.002)
        now -= 1
        return Message(answer="x")

    async def main() -> None:
        async with Runner(chain(made_of(count), "a"), one_model(), MemoryStore(), at_once=3) as runner:
            plan = runner.space.default()
            await asyncio.gather(*(runner.run(TASK, plan) for _ in range(12)))

    asyncio.run(main())
    assert most == 3


def parts_graph(made: tuple[type[Any], Any]) -> Graph:
    node, kinds = made
    graph = Graph("parts", kinds=kinds)
    for name in ("split", "hint", "part", "merge"):
        graph.add(name, node(model="small"))
    return graph.each("split", "part", "merge").connect("hint", "part")


def test_parts_run_in_waves_with_the_answers_they_need(made_of: Made) -> None:
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
    result = run(parts_graph(made_of(step)), one_model(), store)
    assert result.answer == "two and three"
    assert order[:2] == ["begin two?", "begin three?"]
    assert order[-2:] == ["begin two and three?", "end two and three?"]
    assert [s.part for s in store.spans(result.run_id) if s.node == "part"] == ["two?", "three?", "two and three?"]


def test_a_part_that_fails_does_not_stop_the_others(made_of: Made) -> None:
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
    result = run(parts_graph(made_of(step)), one_model(), store)
    assert seen == {"p1": "", "p2": "good", "p3": "", "p4": ""}
    assert result.status is Status.STARVED
    assert sorted(s.part for s in store.spans(result.run_id) if s.node == "part") == ["bad", "good"]


def test_without_parts_nothing_is_solved(made_of: Made) -> None:
    async def step(_: Any, inputs: Inputs, context: Context) -> Message:
        if context.node == "split":
            return Message(status=Status.PARSE_ERROR, reason="no list")
        if context.node == "merge":
            return inputs.messages["part"]
        return Message()

    store = MemoryStore()
    result = run(parts_graph(made_of(step)), one_model(), store)
    assert result.status is Status.PARSE_ERROR
    assert "part" not in spans(store, result)


def test_the_parts_of_a_question_share_its_cap(made_of: Made) -> None:
    async def step(_: Any, inputs: Inputs, context: Context) -> Message:
        if context.node == "split":
            return Message(parts=tuple(Part(f"p{number}", f"part {number}") for number in range(4)))
        if context.node == "part":
            return await answer(_, inputs, context)
        if context.node == "merge":
            return Message(answer=",".join(c.answer for c in inputs.messages["part"].candidates))
        return Message()

    store, pool = MemoryStore(), one_model(lambda request: "4" * request.max_output_tokens)
    _, allowance = direct_call(TASK, pool, dialect_named, "tokens")
    bound = 16 + 8 + len("part part 1") + 20
    result = run(parts_graph(made_of(step)), pool, store, cap=Cap(per_task=2 * bound + allowance.tokens))
    assert result.stop_reason == "budget"
    assert sorted(result.answer.split(",")) == ["", "", "4" * 20, "4" * 20]
    assert [s.status for s in store.spans(result.run_id) if s.node == "part"].count(Status.BUDGET) == 2


def test_more_parts_than_the_graph_was_bounded_for_do_not_run(made_of: Made) -> None:
    async def step(_: Any, inputs: Inputs, context: Context) -> Message:
        if context.node == "split":
            return Message(parts=tuple(Part(f"p{number}", "?") for number in range(20)))
        if context.node == "merge":
            return replace(inputs.messages["part"], answer="merged")
        return Message(answer="x")

    store = MemoryStore()
    result = run(parts_graph(made_of(step)), one_model(), store)
    assert len([span for span in store.spans(result.run_id) if span.node == "part"]) == 16
    assert result.status is Status.SKIPPED
