from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from apportion.budgets.books import MemoryStore
from apportion.errors import SpendExhausted, UsageError
from apportion.graphs.graph import Graph
from apportion.graphs.run import Runner
from apportion.models.pool import Pool
from apportion.models.request import Request
from apportion.nodes.kinds import KINDS
from apportion.nodes.solver import Solver
from apportion.nodes.verifier import Verifier
from apportion.optimizers.analysis.headroom import Headroom, node_headroom
from apportion.records.rows import AccountRow, Limit
from apportion.records.task import Task
from apportion.tasks.metric_text import exact
from apportion.testing.scripted import ScriptedModel

TASKS = [Task(question=f"Question {number}?", gold=f"right {number}") for number in range(20)]


def number_in(request: Request) -> int:
    return int("".join(filter(str.isdigit, request.messages[-1].content.partition("?")[0])))


def knows(share: int) -> ScriptedModel:
    """Right on the first so many tasks."""

    def script(request: Request) -> str:
        number = number_in(request)
        return f"right {number}" if number < share else f"wrong {number}"

    return ScriptedModel(script, name=f"knows{share}")


def repeats_the_first_note(request: Request) -> str:
    content = request.messages[-1].content
    return content.split("\n- ")[1].splitlines()[0]


class Bench:
    """Two solvers, one of which the last node repeats, and a judge that is never asked."""

    def __init__(self) -> None:
        self.models = [knows(5), knows(12), ScriptedModel(repeats_the_first_note, name="last")]
        self.pool = Pool(self.models)
        self.store = MemoryStore()
        self.graph = Graph("bench")
        for name, model in (("first", "knows5"), ("second", "knows12"), ("last", "last")):
            self.graph.add(name, Solver(model=model, style="direct", max_output_tokens=20))
        self.graph.connect("first", "last").connect("second", "last")

    @property
    def sent(self) -> int:
        return sum(len(model.requests) for model in self.models)

    def headroom(self, limit: int | None = None) -> tuple[Headroom, ...]:
        async def story() -> tuple[Headroom, ...]:
            async with Runner(self.graph, self.pool, self.store) as runner:
                bound = None if limit is None else Limit("tokens", limit)
                runner.open_account(AccountRow(f"study {limit}", None, bound, "paid"))
                return await node_headroom(
                    runner,
                    TASKS,
                    runner.space.default(),
                    exact,
                    account=f"study {limit}",
                )

        return asyncio.run(story())


def test_what_a_perfect_node_would_add_is_known_for_every_node() -> None:
    first, last, second = Bench().headroom()
    assert (first.node, last.node, second.node) == ("first", "last", "second")
    # The last node repeats the first solver, which knows 5 of 20: a perfect second solver changes nothing.
    assert (first.kind, first.known, first.score, first.with_gold) == ("solver", 20, 0.25, 1.0)
    assert first.gain.mean == pytest.approx(0.75)
    assert first.gain.low <= 0.75 <= first.gain.high
    assert (last.with_gold, second.with_gold, second.gain.mean) == (1.0, 0.25, 0.0)


def test_what_was_asked_before_is_not_paid_again() -> None:
    bench = Bench()
    bench.headroom()
    # 20 tasks and 3 nodes; behind a gold first answer the last node reads something new on 15, on one side and the
    # other: the second solver's gold is new on 8.
    assert bench.sent == 60 + 15 + 8
    before = bench.sent
    bench.headroom(limit=0)
    assert bench.sent == before


def test_the_runs_are_told_apart_in_the_store() -> None:
    bench = Bench()
    bench.headroom()
    trials = {run.trial_id for run in bench.store.runs()}
    assert trials == {"headroom", "headroom/first", "headroom/second", "headroom/last"}
    (run, *_) = bench.store.runs(trial_id="headroom/first")
    events = {span.node: span.events for span in bench.store.spans(run.run_id)}
    assert "gold" in events["first"]
    assert "gold" not in events["second"]
    booked = {trial.trial_id: (trial.part, trial.tasks, trial.score, trial.state) for trial in bench.store.trials("")}
    assert booked["headroom"] == ("headroom", 20, 0.25, "complete")
    assert booked["headroom/first"] == ("headroom", 20, 1.0, "complete")
    assert {run.graph_hash for run in bench.store.runs()} == {bench.graph.hash}


def test_a_spend_that_runs_out_says_so() -> None:
    with pytest.raises(SpendExhausted):
        Bench().headroom(limit=500)


def test_kinds_without_an_oracle_are_left_out() -> None:
    bench = Bench()
    bench.graph = Graph("bench", kinds={**KINDS, "solver": replace(KINDS["solver"], oracle=None)})
    bench.graph.add("first", Solver(model="knows5", style="direct", max_output_tokens=20))
    assert bench.headroom() == ()


async def _at(tasks: Sequence[Task], graph: Graph, pool: Pool) -> tuple[Headroom, ...]:
    async with Runner(graph, pool, MemoryStore()) as runner:
        return await node_headroom(runner, tasks, runner.space.default(), exact)


def test_a_perfect_judge_is_worth_what_the_candidates_cover() -> None:
    graph = Graph("judged")
    for share in (5, 12):
        graph.add(f"s{share}", Solver(model=f"knows{share}", style="direct", max_output_tokens=20))
        graph.add("judge", Verifier(method="vote")) if share == 12 else None
    for share in (5, 12):
        graph.connect(f"s{share}", "judge")
    found = {each.node: each for each in asyncio.run(_at(TASKS, graph, Pool([knows(5), knows(12)])))}
    assert found["judge"].score == 0.25  # ties go to the first
    assert found["judge"].with_gold == pytest.approx(12 / 20)
    assert found["s5"].with_gold == 1.0
    assert found["s12"].gain.mean == 0.0


def test_bad_tasks_are_named() -> None:
    bench = Bench()
    with pytest.raises(UsageError, match="at least one task"):
        asyncio.run(_at([], bench.graph, bench.pool))
    with pytest.raises(UsageError, match="no gold answer"):
        asyncio.run(_at([Task(question="Question 1?")], bench.graph, bench.pool))
