"""Runs that are cancelled at any moment: the books stay true, and nothing stays open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from apportion.budgets.books import MemoryStore
from apportion.budgets.cap import Cap
from apportion.errors import CallFailed, UnknownName
from apportion.graphs.graph import Graph
from apportion.graphs.result import Result
from apportion.graphs.run import Runner
from apportion.models.card import ModelCard
from apportion.models.pool import Pool
from apportion.models.request import ChatMessage, Reply, Request
from apportion.nodes.base import Context, Inputs
from apportion.nodes.readings import read_all
from apportion.records.message import Message
from apportion.records.protocols import StudyStore
from apportion.records.rows import AccountRow, Limit
from apportion.records.status import Status
from apportion.records.task import Task
from apportion.records.usage import Amount, Usage
from apportion.stores import open_store

OUTPUT = 12


class Billed:
    """Bills the prompt as soon as it is called and the output later; every third attempt then breaks off."""

    def __init__(self) -> None:
        self.card = ModelCard(name="small", template_tokens=0, message_tokens=0, attempts=1)
        self.tokens = 0
        self.attempts = 0

    async def complete(self, request: Request) -> Reply:
        prompt = sum(len(message.content.encode()) for message in request.messages)
        self.attempts += 1
        self.tokens += prompt
        breaks = self.attempts % 3 == 0
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self.tokens += OUTPUT
        await asyncio.sleep(0)
        if breaks:
            raise CallFailed(Status.PROVIDER_ERROR, "502")
        return Reply("Answer: 42", "stop", Usage(prompt, OUTPUT))

    def count_tokens(self, messages: Sequence[ChatMessage]) -> int | None:
        return None

    async def aclose(self) -> None:
        return


async def three_samples(_: Any, inputs: Inputs, context: Context) -> Message:
    asked = ChatMessage("user", f"{context.node} {inputs.question}")
    requests = [Request("small", (asked,), 20, sample=sample) for sample in range(3)]
    good = [reading.value for reading in await read_all(requests, context, lambda text: text) if reading.value]
    return Message(answer=good[0]) if good else Message(status=Status.PROVIDER_ERROR, reason="none")


@contextmanager
def opened(kind: str, folder: Path) -> Iterator[StudyStore]:
    if kind == "memory":
        yield MemoryStore()
        return
    with open_store(folder / "books.db") as store:
        yield store


async def cancelled_after(turns: int, graph: Graph, store: StudyStore, cap: Cap) -> bool:
    """Runs three tasks and cancels one, sometimes two, some of them twice; whether all had ended before."""
    model = Billed()
    total = int(cap.total or 0)
    async with Runner(graph, Pool([model]), store) as runner:
        study = runner.open_account(AccountRow(f"study {turns}", None, Limit("tokens", 10**6), "paid"))
        batch = runner.open_account(AccountRow(f"batch {turns}", study, Limit("tokens", total)))
        # Two questions in three runs, so that some requests are equal; other ones at each attempt.
        tasks = [Task(question=f"6 * 7? {turns} {number % 2}", gold="42") for number in range(3)]
        plan = runner.space.default()
        running = [asyncio.create_task(runner.run(task, plan, parent_account=batch, cap=cap)) for task in tasks]
        for _ in range(turns):
            await asyncio.sleep(0)
        ended = all(run.done() for run in running)
        for run in running[: 1 + turns % 2]:
            run.cancel()
        for _ in range(turns % 3):
            await asyncio.sleep(0)
        running[0].cancel()
        outcomes = await asyncio.wait_for(asyncio.gather(*running, return_exceptions=True), 60)
        store.flush()
        assert_nothing_open(store, (study, batch))
        spent = store.balance(batch).charged + store.balance(batch).lost
        assert model.tokens <= store.balance(study).paid.tokens
        assert spent.tokens <= total
        for row in store.runs(limit=3):
            with pytest.raises(UnknownName):
                runner.ledger.balance(row.account_id)
        for outcome in outcomes:
            assert isinstance(outcome, asyncio.CancelledError | Result)
            if isinstance(outcome, Result):
                assert outcome.stop_reason
                assert outcome.answer or outcome.status.failed
    return ended


def assert_nothing_open(store: StudyStore, accounts: Sequence[str]) -> None:
    for account in accounts:
        balance = store.balance(account)
        assert (balance.reserved, balance.in_flight) == (Amount(), 0)


@pytest.mark.parametrize(
    "cap",
    [Cap(per_task=4000, total=9000), Cap(per_task=300, total=500), Cap(total=150)],
    ids=["roomy", "tight", "one allowance"],
)
@pytest.mark.parametrize(("kind", "stride"), [("memory", 1), ("sqlite", 7)])
def test_a_cancellation_at_any_moment_leaves_nothing_open_and_nothing_unbooked(
    bench: Any, made_of: Callable[..., Any], tmp_path: Path, kind: str, stride: int, cap: Cap
) -> None:
    graph = bench.fan(made_of(three_samples), 2)
    with opened(kind, tmp_path) as store:
        for turns in range(0, 200, stride):
            if asyncio.run(cancelled_after(turns, graph, store, cap)):
                return
    assert kind == "sqlite"
