from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from apportion.budgets.books import MemoryStore
from apportion.budgets.cap import Cap
from apportion.errors import BudgetBreach, NodeFailed, UnknownName
from apportion.graphs.finishing import direct_call
from apportion.graphs.graph import Graph
from apportion.graphs.result import Result
from apportion.graphs.run import Runner
from apportion.graphs.session import FINISH
from apportion.models.pool import Pool
from apportion.models.request import Reply, Request
from apportion.nodes.base import Context, Inputs, Kind, Node
from apportion.nodes.kinds import KINDS, kinds_with
from apportion.nodes.prompts import dialect_named
from apportion.nodes.solver import Solver
from apportion.nodes.verifier import Verifier
from apportion.records.message import Candidate, Message
from apportion.records.rows import AccountRow, Limit
from apportion.records.status import Status
from apportion.records.task import Task
from apportion.records.usage import ZERO, Usage
from apportion.testing.scripted import ScriptedModel

TASK = Task(question="what is 6 * 7?", gold="42")
Made = Callable[..., tuple[type[Any], Any]]


def test_a_run_is_on_the_books(bench: Any, made_of: Made) -> None:
    store = MemoryStore()
    graph = bench.chain(made_of(bench.answer), "a", "b")
    result = bench.run(graph, bench.one_model(), store, metric=bench.right, trial_id="t1")
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


def test_a_fan_out_of_four_under_a_cap_for_two(bench: Any, made_of: Made) -> None:
    """One final bench.answer, made of what there was, with the stop reason budget."""

    async def slow(_: Any, inputs: Inputs, context: Context) -> Message:
        if context.node == "last":
            reply = await context.call(bench.ask("x" * 90))
            return Message(answer=reply.text)
        reply = await context.call(bench.ask("x" * 90 + context.node, tokens=10))
        return Message(answer=reply.text, candidates=(Candidate(reply.text),))

    pool, store = bench.one_model(lambda request: "7" * request.max_output_tokens), MemoryStore()
    _, allowance = direct_call(TASK, pool, dialect_named, "tokens")
    per_call = 16 + 8 + 92 + 10
    result = bench.run(bench.fan(made_of(slow), 4), pool, store, cap=Cap(per_task=2 * per_call + allowance.tokens))
    assert (result.answer, result.status, result.stop_reason) == ("7" * 10, Status.OK, "budget")
    statuses = [span.status for span in store.spans(result.run_id)]
    assert statuses.count(Status.OK) == 2
    assert statuses.count(Status.BUDGET) == 3
    assert result.charged.tokens == 2 * per_call
    assert result.short_account.startswith("run-")


def test_without_a_candidate_the_allowance_buys_a_direct_answer(bench: Any, made_of: Made) -> None:
    async def too_large(_: Any, inputs: Inputs, context: Context) -> Message:
        reply = await context.call(bench.ask("x" * 10_000))
        return Message(answer=reply.text)

    store, pool = MemoryStore(), bench.one_model(lambda request: "Answer: 42")
    _, allowance = direct_call(TASK, pool, dialect_named, "tokens")
    result = bench.run(
        bench.chain(made_of(too_large), "a", "b"), pool, store, cap=Cap(per_task=allowance.tokens), metric=bench.right
    )
    assert (result.answer, result.status, result.stop_reason, result.score) == ("42", Status.OK, "budget", 1.0)
    last = store.spans(result.run_id)[-1]
    assert (last.node, last.kind, last.charged) == ("b", FINISH, result.charged)
    assert 0 < result.charged.tokens <= allowance.tokens


def test_an_allowance_that_does_not_fit_is_a_typed_refusal(bench: Any, made_of: Made) -> None:
    pool = bench.one_model()
    model: Any = pool.model("small")
    store = MemoryStore()
    result = bench.run(bench.chain(made_of(bench.answer), "a"), pool, store, cap=Cap(per_task=20), metric=bench.right)
    assert (result.answer, result.status, result.stop_reason, result.score) == ("", Status.BUDGET, "budget", 0.0)
    assert model.requests == ()
    assert store.runs()[0].status is Status.BUDGET


def test_the_allowance_is_given_back(bench: Any, made_of: Made) -> None:
    store = MemoryStore()

    async def main() -> Any:
        async with Runner(bench.chain(made_of(bench.answer), "a"), bench.one_model(), store) as runner:
            batch = runner.open_account(AccountRow("batch", limit=Limit("tokens", 10_000)))
            await runner.run(TASK, runner.space.default(), parent_account=batch, cap=Cap(total=10_000))
            assert store.runs()[0].parent_account_id == batch
            return runner.ledger.balance(batch)

    balance = asyncio.run(main())
    assert balance.reserved == ZERO
    assert balance.charged.tokens > 0


def test_a_parent_account_that_is_short(bench: Any, made_of: Made) -> None:
    store = MemoryStore()

    async def main() -> Result:
        async with Runner(bench.chain(made_of(bench.answer), "a"), bench.one_model(), store) as runner:
            runner.open_account(AccountRow("study", limit=Limit("tokens", 5), measure="paid"))
            return await runner.run(TASK, runner.space.default(), parent_account="study")

    result = asyncio.run(main())
    assert (result.status, result.stop_reason, result.short_account) == (Status.BUDGET, "budget", "study")


def test_an_account_that_was_not_opened(bench: Any, made_of: Made) -> None:
    with pytest.raises(UnknownName, match="nowhere"):
        bench.run(bench.chain(made_of(bench.answer), "a"), bench.one_model(), MemoryStore(), parent_account="nowhere")


def test_a_programming_error_is_raised_once_the_run_is_on_the_books(bench: Any, made_of: Made) -> None:
    ran: list[str] = []

    async def broken(_: Any, inputs: Inputs, context: Context) -> Message:
        ran.append(context.node)
        if context.node == "n0":
            await asyncio.sleep(0.001)
            raise ZeroDivisionError("in the node")
        said: Message = await bench.answer(_, inputs, context)
        return said

    store = MemoryStore()
    with pytest.raises(NodeFailed, match=r"node 'n0' .*ZeroDivisionError: in the node") as caught:
        bench.run(bench.fan(made_of(broken), 3), bench.one_model(), store)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    (row,) = store.runs()
    assert (row.status, row.stop_reason) == (Status.UNKNOWN, "error")
    assert {span.node: span.status for span in store.spans(row.run_id)}["n1"] is Status.OK
    assert sorted(ran) == ["n0", "n1", "n2"]


def test_a_breach_ends_the_run(bench: Any, made_of: Made) -> None:
    store = MemoryStore()
    pool = bench.one_model(lambda request: Reply("42", "stop", Usage(10_000, 1)))
    with pytest.raises(BudgetBreach, match="10,001 tokens"):
        bench.run(bench.chain(made_of(bench.answer), "a", "b"), pool, store)
    (row,) = store.runs()
    assert (row.stop_reason, row.status, row.charged.tokens) == ("breach", Status.PROVIDER_ERROR, 10_001)
    assert [span.node for span in store.spans(row.run_id)] == ["a"]


def test_cancelling_settles_and_propagates(bench: Any, made_of: Made) -> None:
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
        async with Runner(bench.fan(made_of(bench.answer), 3), pool, store) as runner:
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


def test_scores(bench: Any, made_of: Made) -> None:
    graph, pool, store = bench.chain(made_of(bench.answer), "a"), bench.one_model(), MemoryStore()
    assert bench.run(graph, pool, store, metric=bench.right).score == 1.0
    assert bench.run(graph, pool, store, Task(question="?"), metric=bench.right).score is None
    assert bench.run(graph, pool, store, Task(question="?", metadata={"at least": 40}), metric=bench.right).score == 0.0
    assert bench.run(graph, pool, store).score is None


@pytest.mark.parametrize("reason", ["because", ""])
def test_a_run_without_an_answer_says_why(reason: str) -> None:
    async def fail(node: Any, inputs: Inputs, context: Context) -> Message:
        return Message(status=Status.UNKNOWN, reason=reason)

    kinds = {**KINDS, "solver": replace(KINDS["solver"], run=fail)}
    graph = Graph("failing", kinds=kinds).add("solve", Solver(model="m"))
    store = MemoryStore()
    result = graph.run("why?", pool=Pool([ScriptedModel(lambda request: "", name="m")]), store=store)
    (row,) = store.runs()
    assert (result.status, result.stop_reason) == (Status.UNKNOWN, "complete")
    assert result.reason == row.reason == (reason or "node 'solve' ended as unknown and gave no reason")


def test_a_metric_that_fails_is_raised_with_the_run_on_the_books(bench: Any, made_of: Made) -> None:
    def broken(task: Task, said: str) -> float:
        raise ValueError("in the metric")

    store = MemoryStore()
    with pytest.raises(ValueError, match="in the metric"):
        bench.run(bench.chain(made_of(bench.answer), "a"), bench.one_model(), store, metric=broken)
    assert (store.runs()[0].answer, store.runs()[0].score, store.runs()[0].stop_reason) == ("42", None, "error")


def test_cold_and_warm_runs_are_charged_alike(bench: Any, made_of: Made) -> None:
    store, pool = MemoryStore(), bench.one_model()
    graph = bench.fan(made_of(bench.answer), 3)
    cold = bench.run(graph, pool, store, cap=Cap(per_task=700))
    model: Any = pool.model("small")
    calls = len(model.requests)
    warm = bench.run(graph, pool, store, cap=Cap(per_task=700))
    assert len(model.requests) == calls
    assert (warm.charged, warm.answer, warm.stop_reason) == (cold.charged, cold.answer, cold.stop_reason)


def test_what_a_kind_opens_is_opened_once_and_closed(bench: Any, echo: Any) -> None:
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
        async with Runner(Graph("g", kinds=kinds).add("a", echo(model="small")), bench.one_model(), store) as runner:
            for _ in range(2):
                await runner.run(TASK, runner.space.default())

    asyncio.run(main())
    assert events == ["open", "index", "index", "close"]
    (span,) = store.spans(store.runs()[0].run_id)
    assert json.loads(span.events) == [{"event": "read", "place": "index"}]


def test_runs_in_progress_are_bounded(bench: Any, made_of: Made) -> None:
    now, most = 0, 0

    async def count(_: Any, inputs: Inputs, context: Context) -> Message:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.002)
        now -= 1
        return Message(answer="x")

    async def main() -> None:
        async with Runner(bench.chain(made_of(count), "a"), bench.one_model(), MemoryStore(), at_once=3) as runner:
            plan = runner.space.default()
            await asyncio.gather(*(runner.run(TASK, plan) for _ in range(12)))

    asyncio.run(main())
    assert most == 3


def test_a_run_begun_within_a_session_does_not_wait_for_the_sessions_end(bench: Any, made_of: Made) -> None:
    async def story() -> list[Result]:
        async with Runner(bench.chain(made_of(bench.answer), "a"), bench.one_model(), MemoryStore()) as runner:
            held = runner.allowance(TASK, "tokens").tokens
            batch = runner.open_account(AccountRow("batch", limit=Limit("tokens", held + 5)))
            plan, cap = runner.space.default(), Cap(total=held + 5)
            async with runner.session(TASK, plan, parent_account=batch, cap=cap):
                within = await runner.run(TASK, plan, parent_account=batch, cap=cap)
            return [within, await runner.run(TASK, plan, parent_account=batch, cap=cap)]

    within, after = asyncio.run(asyncio.wait_for(story(), 20))
    assert (within.status, within.stop_reason, within.short_account) == (Status.BUDGET, "budget", "batch")
    assert after.status is not Status.BUDGET


def test_a_verifier_in_a_loop_keeps_the_better_choice_of_an_earlier_round() -> None:
    answers = iter(["Answer: 42", "Answer: 41", "Answer: 40"])
    verdicts = {"42": "60", "41": "20", "40": "10"}

    def script(request: Request) -> str:
        text = request.messages[-1].content
        judged = [verdict for answer, verdict in verdicts.items() if f"answer:\n{answer}" in text.lower()]
        return judged[0] if judged else next(answers)

    graph = Graph("again")
    graph.add("solve", Solver(style="direct"))
    graph.add("check", Verifier(method="score", threshold=0.9))
    graph.connect("solve", "check").loop("check", "solve", rounds=3)
    result = graph.run("What is 6 times 7?", pool=Pool([ScriptedModel(script)]))
    assert result.answer == "42"


def test_a_metric_that_may_take_long_is_called_in_a_thread(bench: Any, made_of: Made) -> None:
    class Slow:
        def __init__(self) -> None:
            self.threads: list[str] = []

        def waits(self, task: Task) -> bool:
            return task.gold == "slow"

        def __call__(self, task: Task, answer: str, /) -> float:
            self.threads.append(threading.current_thread().name)
            return 0.5

    metric, graph, pool = Slow(), bench.chain(made_of(bench.answer), "a"), bench.one_model()
    for gold in ("slow", "fast"):
        result = bench.run(graph, pool, MemoryStore(), Task(question="?", gold=gold), metric=metric)
        assert result.score == 0.5
    assert len(metric.threads) == 2
    assert metric.threads[0] != metric.threads[1]
