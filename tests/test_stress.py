"""Many runs on one cap, with odd sizes and failing calls: the cap holds, and nothing is billed off the books."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
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
from apportion.models.request import Request
from apportion.nodes.solver import Solver
from apportion.nodes.verifier import Verifier
from apportion.records import AccountRow, Limit, Status, StudyStore, Task
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
