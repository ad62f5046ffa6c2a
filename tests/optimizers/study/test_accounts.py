from __future__ import annotations

import asyncio

import pytest

from apportion.budgets.books import MemoryStore
from apportion.budgets.cap import Cap
from apportion.errors import SpendExhausted, UnknownName
from apportion.graphs.graph import Graph
from apportion.graphs.run import Runner
from apportion.models.pool import Pool
from apportion.nodes.solver import Solver
from apportion.optimizers.search.racing import Racing
from apportion.optimizers.study.accounts import StudyAccounts
from apportion.optimizers.study.spec import StudySpec
from apportion.records import Task
from apportion.records.prompt import Prompt
from apportion.tasks.judge import Judge
from apportion.tasks.metrics import resolve_metric
from apportion.testing.scripted import ScriptedModel

SPEND = 1000.0


def bench(metric: str | Judge = "auto", spend: float = SPEND) -> tuple[StudyAccounts, Runner]:
    models = [
        ScriptedModel(lambda request: "Answer: yes", name="m"),
        ScriptedModel(lambda r: "Score: 7", name="grader"),
    ]
    store, pool = MemoryStore(), Pool(models[:1] if metric == "auto" else models)
    graph = Graph("one").add("solve", Solver(style="direct", max_output_tokens=20))
    runner = Runner(graph, pool, store)
    spec = StudySpec(
        graph=graph,
        space=runner.space,
        tasks=(Task(question="Is it?", gold="yes"),),
        pool=pool,
        cap=Cap(total=1e6),
        spend=spend,
        store=store,
        seed=0,
        scorer=resolve_metric(metric),
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


def test_a_judge_is_paid_within_each_phase_and_plans_count_on_the_rest() -> None:
    judge = Judge("grader", Prompt("{answer}"))
    accounts, runner = bench(judge, 10_000.0)
    task, store = Task(question="Is it?"), runner.store

    async def main() -> None:
        async with runner:
            accounts.open(runner)
            accounts.open(runner)
            plan = runner.space.default()
            await runner.run(task, plan, parent_account=accounts.of("search"), metric=judge)

    accounts.expect(30.0, 70.0)
    assert accounts.most("search") == pytest.approx(0.25 * 0.3 * 10_000)
    assert accounts.for_plans(10.0) == 3.0
    asyncio.run(main())
    paid = store.balance(accounts.of("search")).paid.tokens
    verdict = store.balance(f"{accounts.of('search')}/judge").paid.tokens
    assert accounts.paid == paid
    assert 0 < accounts.paid_to_judge == verdict < paid
    accounts.learn_share(1.9 * (paid - verdict))
    assert accounts.plans_share == (paid - verdict) / paid
    assert accounts.left("search") == accounts.for_plans(10_000 - paid)
    assert store.balance(f"{accounts.of('controls')}/judge").paid.tokens == 0


def test_what_an_earlier_study_has_paid_for_does_not_make_plans_cheap_beside_their_verdicts() -> None:
    judge = Judge("grader", Prompt("{answer}"))
    accounts, runner = bench(judge, 10_000.0)
    task, store = Task(question="Is it?"), runner.store

    async def main() -> None:
        async with runner:
            accounts.open(runner)
            plan = runner.space.default()
            await runner.run(task, plan)
            await runner.run(task, plan, parent_account=accounts.of("search"), metric=judge)

    asyncio.run(main())
    verdict = store.balance(f"{accounts.of('search')}/judge").paid.tokens
    assert 0 < accounts.paid == verdict
    accounts.learn_share(3.0 * verdict)
    assert accounts.plans_share == pytest.approx(0.75)


def test_a_study_without_a_judge_has_no_account_of_one() -> None:
    accounts, runner = bench()

    async def main() -> None:
        async with runner:
            accounts.open(runner)

    asyncio.run(main())
    accounts.learn_share(100.0)
    assert (accounts.plans_share, accounts.paid_to_judge) == (1.0, 0.0)
    for name in (accounts.of("controls"), f"{accounts.of('search')}/judge"):
        with pytest.raises(UnknownName):
            runner.store.balance(name)


def test_what_costs_nothing_leaves_all_or_next_to_nothing_to_plans() -> None:
    accounts, _ = bench()
    for plans, verdicts, share in ((0.0, 0.0, 1.0), (5.0, 0.0, 1.0), (0.0, 5.0, 0.001)):
        accounts.expect(plans, verdicts)
        assert accounts.plans_share == share


def test_little_may_be_paid_for_answers_that_wait_for_their_verdicts() -> None:
    assert bench()[0].runs_at_once == 128
    for spend, plan, runs in ((1e3, 100.0, 8), (1e6, 100.0, 62), (1e9, 100.0, 128), (1e3, 0.0, 128)):
        accounts, _ = bench(spend=spend)
        accounts.begin(plan, 3 * plan or 300.0)
        assert accounts.runs_at_once == runs
