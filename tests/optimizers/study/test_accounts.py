from __future__ import annotations

import asyncio

from apportion.budgets.books import MemoryStore
from apportion.budgets.cap import Cap
from apportion.errors import SpendExhausted
from apportion.graphs.graph import Graph
from apportion.graphs.run import Runner
from apportion.models.pool import Pool
from apportion.nodes.solver import Solver
from apportion.optimizers.search.racing import Racing
from apportion.optimizers.study.accounts import StudyAccounts
from apportion.optimizers.study.spec import StudySpec
from apportion.records import Task
from apportion.tasks.metrics import resolve_metric
from apportion.testing.scripted import ScriptedModel

SPEND = 1000.0


def bench() -> tuple[StudyAccounts, Runner]:
    store, pool = MemoryStore(), Pool([ScriptedModel(lambda request: "Answer: yes", name="m")])
    graph = Graph("one").add("solve", Solver(style="direct", max_output_tokens=20))
    runner = Runner(graph, pool, store)
    spec = StudySpec(
        graph=graph,
        space=runner.space,
        tasks=(Task(question="Is it?", gold="yes"),),
        pool=pool,
        cap=Cap(total=1e6),
        spend=SPEND,
        store=store,
        seed=0,
        scorer=resolve_metric("auto"),
        metric="auto",
        make_optimizer=Racing,
        optimizer="racing",
    )
    return StudyAccounts(spec), runner


def test_a_phase_may_pay_its_share_and_all_of_them_the_spend() -> None:
    accounts, runner = bench()
    task = Task(question="Is it?", gold="yes")

    async def main() -> None:
        async with runner:
            accounts.open(runner)
            accounts.open(runner)  # as a study does that is started again
            await runner.run(task, runner.space.default(), parent_account=accounts.of("search"))

    asyncio.run(main())
    assert accounts.most("search") == 0.25 * SPEND
    assert accounts.most("test") == SPEND
    assert 0 < accounts.paid == SPEND - accounts.left("search")
    assert accounts.left("validation", "test") == SPEND
    assert accounts.lost == 0


def test_the_error_of_an_exhausted_study_says_what_it_paid() -> None:
    accounts, runner = bench()

    async def main() -> None:
        async with runner:
            accounts.open(runner)

    asyncio.run(main())
    error = accounts.exhausted()
    assert isinstance(error, SpendExhausted)
    assert "0 paid, of which 0 tokens were lost" in str(error)
