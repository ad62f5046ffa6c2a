"""Replicates: the same run with other draws."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from apportion.budgets.books import MemoryStore
from apportion.budgets.cap import Cap
from apportion.graphs.graph import Graph
from apportion.graphs.result import Result
from apportion.graphs.run import Runner
from apportion.models.card import ModelCard
from apportion.models.openai_compatible import OpenAIModel
from apportion.models.pocket import load_pocket_models
from apportion.models.pool import Pool
from apportion.nodes.solver import Solver
from apportion.records.task import Task
from apportion.testing.fault_server import FaultServer
from apportion.testing.scripted import ScriptedModel

TASK = Task(question="37+48=", gold="85")


def solver(**settings: Any) -> Graph:
    graph = Graph("replicated")
    graph.add("solve", Solver(**{"max_output_tokens": 24, **settings}))
    return graph


def run(graph: Graph, pool: Pool, store: MemoryStore, *seeds: int | None, cap: Cap | None = None) -> list[Result]:
    async def main() -> list[Result]:
        async with Runner(graph, pool, store) as runner:
            plan = runner.space.default()
            given: list[dict[str, Any]] = [{} if seed is None else {"seed": seed} for seed in seeds]
            return [await runner.run(TASK, plan, cap=cap, **settings) for settings in given]

    return asyncio.run(main())


def keys(store: MemoryStore, result: Result) -> list[str]:
    return sorted(call.request_key for call in store.calls(result.run_id))


def test_seed_0_is_the_run_as_it_always_was_and_other_seeds_are_other_draws() -> None:
    store = MemoryStore()
    pool = Pool(load_pocket_models()[:1])
    plain, zero, one, again = run(solver(style="think", samples=3, temperature=2.0), pool, store, None, 0, 1, 1)
    assert keys(store, plain) == keys(store, zero)
    assert not set(keys(store, zero)) & set(keys(store, one))
    assert all(call.cached for call in store.calls(again.run_id))
    texts = [{call.output_text for call in store.calls(result.run_id)} for result in (zero, one)]
    assert texts[0] != texts[1]
    assert (again.answer, again.charged, again.confidence) == (one.answer, one.charged, one.confidence)


def test_what_is_asked_at_temperature_0_is_shared_by_all_replicates() -> None:
    store, model = MemoryStore(), ScriptedModel(lambda request: "Answer: 85")
    run(solver(style="direct", temperature=0.0), Pool([model]), store, 0, 1, 2)
    assert [request.seed for request in model.requests] == [0]


def test_a_model_that_takes_no_temperature_draws_anew_for_every_replicate() -> None:
    model = ScriptedModel(lambda request: "Answer: 85", card=ModelCard(name="m", provider="s", temperature=False))
    run(solver(style="direct", temperature=0.0), Pool([model]), MemoryStore(), 0, 1)
    assert [request.seed for request in model.requests] == [0, 1]


@pytest.mark.parametrize("takes_seed", [True, False])
def test_an_endpoint_is_asked_once_more_for_a_replicate_whether_it_takes_a_seed_or_not(takes_seed: bool) -> None:
    with FaultServer(reply=lambda body: "Answer: 85") as server:
        model = OpenAIModel(ModelCard(name="m", seed=takes_seed), server.base_url)
        run(solver(style="direct"), Pool([model]), MemoryStore(), 0, 1, 1)
        bodies = [dict(received.body) for received in server.received]
    assert len(bodies) == 2
    assert [("seed" in body) for body in bodies] == [takes_seed, takes_seed]
    if takes_seed:
        assert bodies[0]["seed"] != bodies[1]["seed"]


def test_the_finishing_call_of_a_replicate_is_a_draw_of_its_own_where_it_can_differ() -> None:
    card = ModelCard(name="m", provider="s", temperature=False, template_tokens=0, message_tokens=0)
    model = ScriptedModel(lambda request: "Answer: 85", card=card)
    # Room for the finishing call only: the solver's own call may write more than is left.
    graph = solver(style="direct", max_output_tokens=1000)
    results = run(graph, Pool([model]), MemoryStore(), 0, 1, cap=Cap(per_task=350))
    assert [(result.stop_reason, result.answer) for result in results] == [("budget", "85")] * 2
    assert [request.seed for request in model.requests] == [0, 1]


def test_how_sure_the_final_node_was_comes_with_the_result() -> None:
    said = iter(["Answer: 85", "Answer: 85", "Answer: 84", "Answer: 1"])
    pool = Pool([ScriptedModel(lambda request: next(said))])
    (voted,) = run(solver(style="direct", samples=4), pool, MemoryStore(), 0)
    assert (voted.answer, voted.confidence) == ("85", 0.5)
    (single,) = run(solver(style="direct", temperature=0.0), Pool([ScriptedModel(lambda _: "1")]), MemoryStore(), 0)
    assert single.confidence is None
