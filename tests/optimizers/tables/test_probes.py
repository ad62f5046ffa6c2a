from __future__ import annotations

import asyncio
from typing import Any

import pytest

from apportion.budgets.books import MemoryStore
from apportion.errors import SpendExhausted, UnknownName, UsageError
from apportion.graphs.graph import Graph
from apportion.graphs.run import Runner
from apportion.models.card import ModelCard
from apportion.models.pocket import load_pocket_models
from apportion.models.pool import Pool
from apportion.models.request import Request
from apportion.nodes.base import Node
from apportion.nodes.solver import Solver
from apportion.optimizers.tables.probes import KIND, Look, probe_graph, probe_names, take_probe
from apportion.optimizers.tables.table import Probe
from apportion.records import AccountRow, Limit, Task
from apportion.tasks.families import generate
from apportion.testing.node import NodeConformance
from apportion.testing.scripted import ScriptedModel

TASKS = [*generate("chains", 8, 7, 1), *generate("chains", 8, 7, 6)]


class TestConformance(NodeConformance):
    kind = KIND

    def node(self) -> Node:
        return Look(method="agreement", model="scripted")

    def reply(self, request: Request) -> str:
        return "Answer: 42"


def take(name: str, pool: Pool, store: MemoryStore, limit: Limit | None = None, **settings: Any) -> Probe:
    async def main() -> Probe:
        graph = Graph("main").add("solve", Solver())
        async with Runner(graph, pool, store) as runner:
            account = runner.open_account(AccountRow("study", limit=limit))
            return await take_probe(name, runner, TASKS, account=account, **settings)

    return asyncio.run(main())


def test_entropy_looks_at_one_token_and_tells_easy_from_hard() -> None:
    store = MemoryStore()
    probe = take("entropy/pocket-30k", Pool(load_pocket_models()), store)
    assert ((probe.values > 0) & (probe.values <= 1)).all()
    assert probe.values[:8].mean() > probe.values[8:].mean()
    assert probe.costs.sum() == store.balance("study").charged.tokens
    assert all(call.usage is not None and call.usage.output_tokens == 1 for call in calls(store))


def test_agreement_is_whether_two_samples_are_equal() -> None:
    def script(request: Request) -> str:
        return "Answer: 7" if request.sample == 0 or len(request.messages[-1].content) < 150 else "Answer: 8"

    store = MemoryStore()
    pool = Pool([ScriptedModel(script, name="m")])
    probe = take("agreement/m", pool, store)
    assert set(probe.values) <= {0.0, 1.0}
    assert probe.costs.sum() == store.balance("study").charged.tokens
    assert len(calls(store)) == 2 * len(TASKS)


def test_the_cheapest_model_that_does_not_reason_looks() -> None:
    reasoner = ScriptedModel(lambda _: "1", card=ModelCard(name="r", kind="reasoning"), name="r")
    dear = ScriptedModel(lambda _: "1", card=ModelCard(name="d", weight=9.0, logprobs=True), name="d")
    cheap = ScriptedModel(lambda _: "1", name="c")
    assert probe_names(Pool([reasoner, dear, cheap]), TASKS[0], "weighted") == ("agreement/c",)
    assert probe_names(Pool([reasoner, dear]), TASKS[0], "weighted") == ("entropy/d", "agreement/d")
    assert probe_names(Pool([reasoner]), TASKS[0], "weighted") == ()


def test_a_look_that_cannot_be_paid_is_an_error_or_worth_0() -> None:
    pool = Pool(load_pocket_models())
    with pytest.raises(SpendExhausted):
        take("entropy/pocket-30k", pool, MemoryStore(), Limit("tokens", 50))
    probe = take("entropy/pocket-30k", pool, MemoryStore(), Limit("tokens", 50), required=False)
    assert 0 < probe.costs.sum() <= 50
    assert ((probe.values > 0) == (probe.costs > 0)).all()


def test_unknown_probes_and_models_are_named() -> None:
    with pytest.raises(UsageError, match="'horoscope/m'"):
        probe_graph("horoscope/m")
    with pytest.raises(UnknownName, match="pocket-30k"):
        take("entropy/pocket-3k", Pool(load_pocket_models()), MemoryStore())


def calls(store: MemoryStore) -> list[Any]:
    return [call for run in store.runs() for call in store.calls(run.run_id)]


def test_a_probe_is_traced_as_a_run() -> None:
    store = MemoryStore()
    take("entropy/pocket-30k", Pool(load_pocket_models()), store)
    assert {run.task_id for run in store.runs()} == {task.task_id for task in TASKS}
    assert {span.kind for run in store.runs() for span in store.spans(run.run_id)} == {"look"}
    assert all(Task.model_validate_json(row.content) for run in store.runs() if (row := store.task(run.task_id)))
