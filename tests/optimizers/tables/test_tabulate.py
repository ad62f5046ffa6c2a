from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apportion.budgets.books import MemoryStore
from apportion.errors import CallFailed, SpendExhausted, UsageError
from apportion.graphs.graph import Graph
from apportion.graphs.plan import Plan
from apportion.graphs.run import Runner
from apportion.models.card import ModelCard
from apportion.models.pocket import load_pocket_models
from apportion.models.pool import Pool
from apportion.models.request import Reply, Request
from apportion.nodes.knob import choose
from apportion.nodes.solver import Solver
from apportion.optimizers.tables.table import Table
from apportion.optimizers.tables.tabulate import tabulate
from apportion.records import AccountRow, Limit, Status, StudyStore, Task
from apportion.records.output import OneOf
from apportion.records.usage import Usage
from apportion.stores.opening import open_store
from apportion.tasks.families import generate
from apportion.tasks.metrics import resolve_metric
from apportion.testing.scripted import ScriptedModel

SCORER = resolve_metric("auto")
TASKS = [task for steps in (1, 2, 3) for task in generate("chains", 5, 7, steps)]


def pocket() -> Graph:
    graph = Graph("tabulated")
    graph.add("solve", Solver(style=choose("direct", "think"), samples=choose(1, 3), max_output_tokens=48))
    return graph


def run(graph: Graph, pool: Pool, store: StudyStore, tasks: Sequence[Task] = TASKS, **settings: Any) -> Table:
    async def main() -> Table:
        async with Runner(graph, pool, store) as runner:
            limit = settings.pop("limit", None)
            if limit is not None:
                settings["account"] = runner.open_account(AccountRow("study", limit=limit, measure="paid"))
            plans: Sequence[Plan] = settings.pop("plans", list(runner.space))
            return await tabulate(runner, plans, tasks, SCORER, **settings)

    return asyncio.run(main())


def test_a_table_holds_what_single_runs_give() -> None:
    graph, pool, store = pocket(), Pool(load_pocket_models()[:1]), MemoryStore()
    table = run(graph, pool, store)
    plans = list(graph.space(pool))
    assert [arm.name for arm in table.arms] == [plan.hash for plan in plans]
    assert table.scores.shape == (15, len(plans), 1)
    assert table.confidences is not None
    for arm, question in ((0, 0), (1, 4), (len(plans) - 1, 14)):
        alone = graph.run(TASKS[question], plans[arm], pool=pool, metric=SCORER)
        assert table.scores[question, arm, 0] == alone.score
        assert table.costs[question, arm, 0] == alone.charged.tokens
        assert table.confidences[question, arm, 0] == alone.confidence
        assert table.output_tokens is not None
        assert table.output_tokens[question, arm, 0] == alone.usage.output_tokens > 0
    assert 0 < table.scores.mean() < 1


def test_a_second_time_nothing_is_paid_and_everything_is_the_same(tmp_path: Path) -> None:
    pool = Pool(load_pocket_models()[:1])
    with open_store(tmp_path / "books.db") as store:
        cold = run(pocket(), pool, store, replicates=2, limit=Limit("tokens", 10**6), probes=("entropy/pocket-30k",))
        paid = store.balance("study").paid
        warm = run(pocket(), pool, store, replicates=2, limit=Limit("tokens", 10**6), probes=("entropy/pocket-30k",))
        assert store.balance("study").paid == paid
    for name in ("scores", "costs", "confidences"):
        np.testing.assert_array_equal(getattr(cold, name), getattr(warm, name))
    np.testing.assert_array_equal(cold.probes[0].values, warm.probes[0].values)
    np.testing.assert_array_equal(cold.probes[0].costs, warm.probes[0].costs)


def test_replicates_are_other_draws_and_the_first_is_the_run_of_a_search() -> None:
    pool, store = Pool(load_pocket_models()[:1]), MemoryStore()
    alone = run(pocket(), pool, store)
    many = run(pocket(), pool, store, replicates=3)
    np.testing.assert_array_equal(many.scores[:, :, :1], alone.scores)
    assert not np.array_equal(many.scores[:, :, 1], many.scores[:, :, 0])


def test_failures_score_0_are_charged_and_are_not_sure_of_anything() -> None:
    def moody(request: Request) -> str:
        if "fail" in request.messages[-1].content:
            raise CallFailed(Status.PROVIDER_ERROR, "down", billed=False)
        return "Answer: yes" if "good" in request.messages[-1].content else "no answer, sorry" * 20

    graph = Graph("moody")
    graph.add("solve", Solver(style="think", samples=2, max_output_tokens=64))
    tasks = [Task(question=f"{mood}?", gold="yes") for mood in ("good", "bad", "fail")]
    table = run(graph, Pool([ScriptedModel(moody)]), MemoryStore(), tasks)
    assert table.scores[:, 0, 0].tolist() == [1.0, 0.0, 0.0]
    assert (table.costs[:, 0, 0] > 0).tolist() == [True, True, False]
    assert table.confidences is not None
    assert table.confidences[0, 0, 0] == 1.0
    assert np.isnan(table.confidences[1:, 0, 0]).all()


def test_a_spend_that_runs_out_says_so_and_what_was_settled_stays_settled() -> None:
    pool, store = Pool(load_pocket_models()[:1]), MemoryStore()
    with pytest.raises(SpendExhausted):
        run(pocket(), pool, store, limit=Limit("tokens", 1_000))
    spent = store.balance("study")
    assert 0 < spent.paid.tokens <= 1_000
    run(pocket(), pool, store, limit=Limit("tokens", 10**6))
    whole = MemoryStore()
    run(pocket(), pool, whole, limit=Limit("tokens", 10**6))
    assert store.balance("study").paid == whole.balance("study").paid


def test_a_task_without_gold_and_a_table_without_plans_are_refused() -> None:
    pool = Pool(load_pocket_models()[:1])
    with pytest.raises(UsageError, match="'nameless' has no gold"):
        run(pocket(), pool, MemoryStore(), [Task(question="1+1=", name="nameless")])
    with pytest.raises(UsageError, match="at least one plan"):
        run(pocket(), pool, MemoryStore(), plans=[])


def test_weighted_costs_count_the_weight_of_the_model() -> None:
    card = ModelCard(name="m", provider="s", weight=2.5)
    graph = Graph("weighty").add("solve", Solver(style="direct"))
    tokens, weighted = (
        run(graph, Pool([ScriptedModel(lambda _: "1", card=card)]), MemoryStore(), unit=unit).costs
        for unit in ("tokens", "weighted")
    )
    np.testing.assert_allclose(weighted, 2.5 * tokens)


def test_dollars_stand_beside_the_costs_where_there_are_prices() -> None:
    graph, tables = Graph("priced"), []
    graph.add("solve", Solver(model="m", max_output_tokens=40))
    for price in (0.0, 20.0):
        card = ModelCard(name="m", provider="scripted", input_usd_per_million=price, output_usd_per_million=price)
        pool = Pool([ScriptedModel(lambda request: "Answer: 4", name="m", card=card)])
        tables.append(run(graph, pool, MemoryStore()))
    free, paid = tables
    assert free.money is None
    assert paid.money is not None
    assert paid.money == pytest.approx(paid.costs * 20e-6, rel=1e-6)
    assert paid.take(np.arange(3)).with_arms([0]).replicates([0]).money == pytest.approx(paid.money[:3])


def test_thinking_and_abstaining_are_written_down() -> None:
    def reply(request: Request) -> Reply:
        text = "Answer: I don't know" if "10" in request.messages[-1].content else "Answer: 3"
        return Reply(text, "stop", Usage(5, 40, reasoning_tokens=30))

    pool, tasks = Pool([ScriptedModel(reply, name="m")]), [Task(question=f"{n}?", gold="3") for n in (1, 10)]
    table = run(Graph("thinking").add("solve", Solver(model="m")), pool, MemoryStore(), tasks)
    assert table.thinking_tokens is not None
    assert table.abstained is not None
    assert table.thinking_tokens.ravel().tolist() == [30.0, 30.0]
    assert table.abstained.ravel().tolist() == [0.0, 1.0]


def test_a_label_that_reads_like_an_abstention_is_an_answer() -> None:
    pool = Pool([ScriptedModel(lambda request: "Answer: unknown", name="m")])
    graph = Graph("labels").add("solve", Solver(model="m", output=OneOf("known", "unknown")))
    table = run(graph, pool, MemoryStore(), [Task(question="?", gold="unknown")])
    assert table.abstained is not None
    assert (table.scores.item(), table.abstained.item()) == (1.0, 0.0)
