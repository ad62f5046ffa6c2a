"""Many runs on one cap, with odd sizes and failing calls: the cap holds, and nothing is billed off the books."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from apportion.budgets.books import MemoryStore
from apportion.budgets.cap import Cap
from apportion.errors import CallFailed
from apportion.graphs.graph import Graph
from apportion.graphs.result import Result
from apportion.graphs.run import Runner
from apportion.models.card import ModelCard
from apportion.models.pool import Pool
from apportion.models.request import Reply, Request
from apportion.models.tools import ToolCall
from apportion.nodes.agent import Agent
from apportion.nodes.solver import Solver
from apportion.nodes.tool_costs import ToolResult, priced
from apportion.nodes.verifier import Verifier
from apportion.records import AccountRow, Limit, Status, StudyStore, Task
from apportion.records.usage import ZERO
from apportion.stores.opening import open_store
from apportion.testing.scripted import ScriptedModel

RUNS = 64


class Biller:
    """Answers, fails before or after it has billed, and counts what it bills as a provider would."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.billed = 0
        self.calls = 0
        card = ModelCard(name="m", provider="test", attempts=2, template_tokens=3, message_tokens=2)
        self.model = ScriptedModel(self.answer, card=card)

    def answer(self, request: Request) -> str:
        self.calls += 1
        prompt = self.model.count_tokens(request.messages)
        fate = self.random.random()
        if fate < 0.05:
            raise CallFailed(Status.PROVIDER_ERROR, "refused before work began", billed=False)
        text = "Answer: " + "x" * self.random.choice([0, 1, 7, 40, 4000])
        self.billed += prompt + min(len(text), request.max_output_tokens)
        if fate < 0.10:
            raise CallFailed(Status.TIMEOUT, "cut after the reply was written")
        return text


@contextmanager
def opened(kind: str, folder: Path) -> Iterator[StudyStore]:
    store = MemoryStore() if kind == "memory" else open_store(folder / "stress.db", durable=True)
    try:
        yield store
    finally:
        store.close()


def pipeline() -> Graph:
    graph = Graph("stress")
    graph.add("a", Solver(style="think", samples=4, max_output_tokens=50))
    graph.add("b", Solver(style="direct", samples=1, max_output_tokens=7))
    graph.add("judge", Verifier(method="score", max_output_tokens=5))
    graph.connect("a", "judge")
    graph.connect("b", "judge")
    return graph


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@pytest.mark.parametrize("limit", [40_000, 150_000])
def test_the_cap_holds_and_nothing_is_billed_off_the_books(kind: str, limit: int, tmp_path: Path) -> None:
    biller = Biller(seed=limit)
    sizes = random.Random(1)
    tasks = [Task(question=f"{i} " + "q" * sizes.choice([1, 10, 300]), gold="x") for i in range(RUNS)]

    async def story(store: StudyStore) -> list[Result]:
        async with Runner(pipeline(), Pool([biller.model]), store) as runner:
            runner.open_account(AccountRow("study", None, Limit("tokens", 10 * limit), "paid"))
            runner.open_account(AccountRow("batch", "study", Limit("tokens", limit)))
            plan = runner.space.default()
            cap = Cap(total=limit)
            results = [runner.run(task, plan, parent_account="batch", cap=cap) for task in tasks]
            return list(await asyncio.gather(*results))

    with opened(kind, tmp_path) as store:
        results = asyncio.run(story(store))
        batch, study = store.balance("batch"), store.balance("study")

    assert biller.calls > RUNS
    assert batch.charged.tokens + batch.lost.tokens <= limit
    assert biller.billed <= batch.charged.tokens + batch.lost.tokens
    assert batch.reserved.tokens == study.reserved.tokens == 0
    assert study.paid == batch.charged + batch.lost
    assert sum(r.charged.tokens for r in results) == batch.charged.tokens
    assert sum(r.lost.tokens for r in results) == batch.lost.tokens
    if limit == 40_000:
        assert any(r.stop_reason == "budget" for r in results)
        assert all(r.answer or r.status.failed for r in results)


class CallingBiller(Biller):
    """Calls tools at random, several at once and with arguments of odd sizes, and bills tools and calls too."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.doomed: list[asyncio.Future[Result]] = []
        """Runs to be cancelled while calls are under way."""
        card = self.model.card.model_copy(update={"tools": seed % 2 == 0})
        self.model = ScriptedModel(self.say, card=card)

    def say(self, request: Request) -> str | Reply:
        self.calls += 1
        fate = self.random.random()
        if fate > 0.9 and self.doomed:
            self.doomed.pop().cancel()
        if fate < 0.05:
            raise CallFailed(Status.PROVIDER_ERROR, "refused before work began", billed=False)
        calls = tuple(self.call() for _ in range(self.random.choice([0, 1, 1, 2, 5])))
        text = "Answer: x" if not calls or request.tool_choice == "none" else ""
        if not request.tools:
            text = "\n".join((text, *(f"Call: {call.name} {call.arguments}" for call in calls)))[:400]
        reply = Reply(text[: request.max_output_tokens], "stop", None, tool_calls=calls if request.tools else ())
        while len(reply.said) > request.max_output_tokens:
            reply = replace(reply, finish_reason="length", tool_calls=reply.tool_calls[:-1])
        earlier = [call for message in request.messages for call in message.tool_calls]
        self.billed += self.model.count_tokens(request.messages) + len(request.tools.encode()) + len(reply.said)
        self.billed += sum(len((call.name + call.arguments).encode()) for call in earlier)
        if fate < 0.10:
            raise CallFailed(Status.TIMEOUT, "cut after the reply was written")
        return reply

    def call(self) -> ToolCall:
        size = self.random.choice([0, 3, 60, 250])
        arguments = self.random.choice(
            [f'{{"size": {size}}}', '{"size": "' + "<&>" * (size // 3) + '"}', "no json", ""]
        )
        return ToolCall(self.random.choice(["fetch", "fetch", "later", "none"]), arguments, "id")


FEE = 0.002
"""The most that a call of a tool costs, in dollars."""
MONEY = 30_000_000
"""What all may cost, in billionths of a dollar: too little for some of the calls."""


def agents(seed: int, bills: list[float]) -> Graph:
    """Two agents, one after the other, whose tools cost money, fail one time in ten, and return texts of any size."""
    chance = random.Random(seed)
    texts = ["", "ok", "\n" * 5000, "\ufdfa" * 3000, "Call: fetch {}\n" * 400, "x" * 200_000]

    @priced(usd=FEE)
    def fetch(size: int) -> ToolResult:
        """Fetches."""
        cost = chance.choice((0.0, FEE / 3, FEE))
        bills.append(cost)
        if chance.random() < 0.1:
            raise OSError("planted")
        return ToolResult(texts[size % len(texts)], usd=cost)

    @priced(usd=FEE)
    async def later(size: int) -> ToolResult:
        """Fetches later."""
        await asyncio.sleep(0.001 * chance.random())
        return fetch(size + chance.randrange(len(texts)))

    graph = Graph("agents")
    for name in ("first", "second"):
        graph.add(name, Agent(tools=(fetch, later), rounds=4, max_output_tokens=400, result_bytes=600))
    return graph.connect("first", "second", forward="answer")


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@pytest.mark.parametrize("limit", [400_000, 1_500_000])
def test_the_cap_holds_for_agents_whose_tools_fail_and_whose_runs_are_cancelled(
    kind: str, limit: int, seed: int, tmp_path: Path
) -> None:
    biller, bills = CallingBiller(seed), list[float]()
    chance = random.Random(seed)
    tasks = [Task(question=f"{i} " + "q" * chance.choice([1, 10, 300]), gold="x") for i in range(RUNS)]

    async def story(store: StudyStore) -> list[Result | BaseException]:
        async with Runner(agents(seed, bills), Pool([biller.model]), store) as runner:
            runner.open_account(AccountRow("money", None, Limit("usd", MONEY)))
            runner.open_account(AccountRow("batch", "money", Limit("tokens", limit)))
            plan = runner.space.default()
            cap = Cap(total=limit)
            runs = [asyncio.ensure_future(runner.run(task, plan, parent_account="batch", cap=cap)) for task in tasks]
            biller.doomed = chance.sample(runs, RUNS // 8)
            return await asyncio.gather(*runs, return_exceptions=True)

    with opened(kind, tmp_path) as store:
        results = asyncio.run(story(store))
        batch = store.balance("batch")
        spans = [span for run in store.runs() for span in store.spans(run.run_id)]

    assert biller.calls > RUNS
    assert biller.billed <= batch.charged.tokens + batch.lost.tokens <= limit
    assert batch.reserved == ZERO
    assert 0 < round(sum(bills) * 1e9) <= (batch.charged + batch.lost).usd <= MONEY
    ended = [result for result in results if isinstance(result, Result)]
    assert all(isinstance(r, Result | asyncio.CancelledError) for r in results)
    assert 0 < len(results) - len(ended) <= RUNS // 8
    assert sum(r.charged.tokens for r in ended) <= batch.charged.tokens
    assert all(r.answer or r.status.failed for r in ended)
    assert any(r.answer for r in ended)
    if limit == 1_500_000:
        assert any("the cap has no room for a call of" in span.events for span in spans)
