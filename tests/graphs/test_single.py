from __future__ import annotations

import asyncio
from typing import Any

import pytest

from apportion.budgets.books import MemoryStore
from apportion.budgets.cap import Cap
from apportion.errors import GraphError, Infeasible, PlanError, UsageError
from apportion.graphs.graph import Graph
from apportion.models.pool import Pool
from apportion.nodes.solver import Solver
from apportion.records.status import Status
from apportion.records.task import Task
from apportion.testing.scripted import ScriptedModel

GRAPH = Graph("one").add("solve", Solver(style="direct", max_output_tokens=16))


def pool() -> Pool:
    return Pool([ScriptedModel(lambda request: "Answer: 42", name="small")])


def test_a_question_is_answered_in_one_line() -> None:
    result = GRAPH.run("what is 6 * 7?", pool=pool())
    assert (result.answer, result.status, result.score) == ("42", Status.OK, None)


def test_a_store_and_a_metric() -> None:
    store = MemoryStore()
    task = Task(question="?", gold="42")
    result = GRAPH.run(task, pool=pool(), store=store, metric=lambda task, said: float(said == task.gold))
    assert result.score == 1.0
    assert [row.run_id for row in store.runs()] == [result.run_id]


def test_it_runs_where_a_loop_is_running() -> None:
    """As in a notebook."""

    async def cell() -> Any:
        return GRAPH.run("what is 6 * 7?", pool=pool())

    assert asyncio.run(cell()).answer == "42"


class Connected(ScriptedModel):
    closed = 0

    async def aclose(self) -> None:
        self.closed += 1


def test_connections_are_closed_with_their_loop_and_not_before() -> None:
    """Others may be using the pool in the caller's loop."""
    model = Connected(lambda request: "Answer: 42", name="small")
    assert asyncio.run(GRAPH.arun("?", pool=Pool([model]))).answer == "42"
    assert model.closed == 0
    assert GRAPH.run("?", pool=Pool([model])).answer == "42"
    assert model.closed == 1


@pytest.mark.parametrize("cap", [Cap(per_task=10), Cap(total=10), Cap(per_task=10_000, total=10)])
def test_infeasible_before_any_call(cap: Cap) -> None:
    models = pool()
    with pytest.raises(Infeasible, match="no plan fits"):
        GRAPH.run("?", pool=models, cap=cap)
    model: Any = models.model("small")
    assert model.requests == ()


@pytest.mark.parametrize("cap", [Cap(per_task=2_000), Cap(total=2_000), Cap(per_task=3_000, total=2_000)])
def test_a_cap_that_is_enough(cap: Cap) -> None:
    result = GRAPH.run("?", pool=pool(), cap=cap)
    assert (result.answer, result.stop_reason) == ("42", "complete")


def test_a_plan_of_another_graph() -> None:
    plan = Graph("other").add("other", Solver()).space(pool()).default()
    with pytest.raises(PlanError, match="made for the graph with hash"):
        GRAPH.run("?", plan, pool=pool())


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        ({"cap": 5000}, r"cap must be a Cap, not 5000; write Cap\(total=5000\)"),
        ({"pool": ()}, r"pool must be a Pool, not \(\); write Pool\(load_pocket_models\(\)\)"),
        ({"pool": "pool.toml"}, "pool must be a Pool, not 'pool.toml'"),
    ],
)
def test_what_is_no_cap_or_pool_is_told_how_to_write_one(given: dict[str, Any], remedy: str) -> None:
    pool = Pool([ScriptedModel(lambda request: "Answer: 4", name="m")])
    graph = Graph("one").add("solve", Solver(model="m"))
    with pytest.raises(UsageError, match=remedy):
        graph.run("2+2?", **{"pool": pool, **given})


def test_what_is_no_node_is_told_how_to_write_one() -> None:
    with pytest.raises(GraphError, match=r"node 'look' must be a node such as Solver\(\) or Function"):
        Graph("one").add("look", print)  # type: ignore[arg-type]
