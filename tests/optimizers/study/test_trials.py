"""What a study that goes on takes from the books, and what it runs again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from apportion.budgets.books import MemoryStore
from apportion.budgets.cap import Cap
from apportion.errors import CallFailed, SpendExhausted
from apportion.graphs.gate import Gate
from apportion.graphs.graph import Graph
from apportion.graphs.run import Runner
from apportion.models.card import ModelCard
from apportion.models.pool import Pool
from apportion.models.request import Request
from apportion.nodes.function import Function
from apportion.nodes.solver import Solver
from apportion.nodes.verifier import Verifier
from apportion.optimizers.search.base import Proposal
from apportion.optimizers.search.measurement import Measurement, Outcome
from apportion.optimizers.search.racing import Racing
from apportion.optimizers.study.accounts import StudyAccounts
from apportion.optimizers.study.spec import StudySpec
from apportion.optimizers.study.trials import TrialEvaluator
from apportion.records import AccountRow, Limit, Message, RunRow, Status, Task, TrialRow
from apportion.tasks.metrics import resolve_metric
from apportion.testing.scripted import ScriptedModel

CARD = ModelCard(name="m", provider="scripted", template_tokens=2, message_tokens=2, attempts=1)
TASKS = [Task(question=f"Is {number} fine?", gold="yes") for number in range(6)]


def right(request: Request) -> str:
    return "Answer: yes"


class Study:
    """A study of one plan on six tasks, whose process may end and begin again."""

    def __init__(self, *, spend: int = 10**6, total: float = 10**6) -> None:
        self.store = MemoryStore()
        self.graph = Graph("one").add("solve", Solver(style="direct", max_output_tokens=20))
        self.spend, self.total = spend, total
        self.study_id = ""
        self.finished: list[Outcome] = []

    def measure(self, part: str = "fit", script: Callable[[Request], str] = right) -> Measurement:
        """What a process that has just begun finds out about the plan."""

        async def main() -> Measurement:
            pool = Pool([ScriptedModel(script, name="m", card=CARD)])
            async with Runner(self.graph, pool, self.store) as runner:
                spec = StudySpec(
                    graph=self.graph,
                    space=runner.space,
                    tasks=tuple(TASKS),
                    pool=pool,
                    cap=Cap(total=self.total),
                    spend=10**6,
                    store=self.store,
                    seed=0,
                    scorer=resolve_metric("auto"),
                    metric="auto",
                    make_optimizer=Racing,
                    optimizer="racing",
                )
                self.study_id = spec.study_id
                # Not the study's own accounts, of which a phase may pay only a share.
                runner.open_account(AccountRow("pays", None, Limit("tokens", self.spend), "paid"))
                evaluator = TrialEvaluator(
                    runner, spec, {"fit": TASKS, "test": TASKS}, StudyAccounts(spec), self.finished.append
                ).paying(part, "pays")
                (found,) = await evaluator.measure([Proposal(next(iter(runner.space)), len(TASKS))], part)
                return found

        return asyncio.run(main())

    @property
    def runs(self) -> list[RunRow]:
        """All runs on the books, oldest first."""
        return list(reversed(self.store.runs()))

    @property
    def trial(self) -> TrialRow:
        """The trial on the books."""
        (row,) = self.store.trials(self.study_id)
        return row

    def forget_the_end(self) -> None:
        """Leaves the trial as it is on the books of a process that was killed in it."""
        self.store.record(replace(self.trial, state="running"))


def test_a_complete_trial_is_read_back_and_not_run() -> None:
    study = Study()
    first = study.measure()
    assert (study.trial.state, study.trial.tasks, study.trial.score) == ("complete", 6, 1.0)
    assert study.measure() == first
    assert len(study.runs) == 6
    assert study.finished == [*first.outcomes, *first.outcomes]


def test_a_trial_that_never_ended_is_run_again() -> None:
    study = Study()
    first = study.measure()
    study.forget_the_end()
    assert study.measure() == first
    assert len(study.runs) == 12
    assert study.trial.state == "complete"


def test_a_trial_that_the_spend_cut_short_is_run_again_when_there_is_more() -> None:
    study = Study(spend=250)
    with pytest.raises(SpendExhausted):
        study.measure()
    assert study.trial.state == "stopped"
    # Every task has a row: those that found no room too, and they scored 0.
    assert {row.task_id for row in study.runs} == {task.task_id for task in TASKS}
    assert 0 < sum(row.score == 0 for row in study.runs) < 6
    study.spend = 10**6
    assert study.measure().scores.tolist() == [1.0] * 6


def test_of_tasks_that_ran_twice_the_last_run_counts() -> None:
    study = Study()
    study.measure(script=lambda request: "Answer: no")
    study.forget_the_end()
    # Other replies, so that the two runs of a task can be told apart.
    study.store._replies.clear()
    assert study.measure().scores.tolist() == [1.0] * 6
    assert [row.score for row in study.runs] == [0.0] * 6 + [1.0] * 6
    assert study.measure().scores.tolist() == [1.0] * 6
    assert len(study.runs) == 12


def test_runs_that_were_cancelled_are_no_runs() -> None:
    """As another process leaves them that was at the same trial and was ended."""
    study = Study()
    first = study.measure()
    for row in study.runs[:3]:
        left: dict[str, Any] = {"run_id": f"{row.run_id}-again", "status": Status.CANCELLED, "stop_reason": "cancelled"}
        study.store.record(replace(row, **left, started_at=row.started_at + 60, score=0.0))
    assert study.measure() == first
    assert len(study.runs) == 9


@pytest.mark.parametrize("status", [Status.PROVIDER_ERROR, Status.TIMEOUT, Status.TOOL_ERROR])
def test_failures_of_a_place_are_tried_again(status: Status) -> None:
    study = Study()

    def down(request: Request) -> str:
        if "Is 3 " in request.messages[-1].content:
            raise CallFailed(status, "nobody there", billed=False)
        return "Answer: yes"

    assert sorted(study.measure(script=down).scores) == [0.0, *[1.0] * 5]
    assert study.trial.state == "complete"
    assert study.measure().scores.tolist() == [1.0] * 6


def test_failures_of_a_plan_are_read_back() -> None:
    study = Study()
    first = study.measure(script=lambda request: "")
    assert {outcome.status for outcome in first.outcomes} != {Status.OK}
    assert study.measure() == first
    assert len(study.runs) == 6


def test_a_test_batch_that_never_ended_does_not_count_against_the_next() -> None:
    study = Study(total=10**6)
    charged = study.measure("test").costs.sum()
    # Room for the part's share of the batch once, with its finishing allowances, and not twice.
    study = Study(total=2 * (1.5 * charged + 60))
    first = study.measure("test")
    assert first.scores.tolist() == [1.0] * 6
    study.forget_the_end()
    assert study.measure("test") == first
    assert len(study.runs) == 12


def test_what_gates_read_is_the_same_from_the_books() -> None:
    """So a study that goes on expects of gates what it expected before."""
    study = Study()
    study.graph = Graph("gated").add("solve", Solver(style="direct", max_output_tokens=20))
    study.graph.add("again", Solver(max_output_tokens=20)).add("pick", Verifier(method="last"))
    study.graph.connect("solve", "again", when=Gate("confidence", below=0.5)).connect("solve", "pick")
    study.graph.connect("again", "pick")
    first = study.measure()
    second = study.measure(script=no_more_calls)
    assert [len(outcome.gates) for outcome in first.outcomes] == [1] * len(TASKS)
    assert second == first


def test_what_abstains_is_the_same_from_the_books_whatever_its_text_says() -> None:
    def own(question: str, inputs: object, task: Task) -> Message:
        return Message(answer="no entry in the table", abstained=True)

    study = Study()
    study.graph = Graph("own").add("solve", Solver(max_output_tokens=20)).add("own", Function(own))
    study.graph.connect("solve", "own")
    first = study.measure()
    assert first.values(1.0).tolist() == [0.0] * len(TASKS)
    assert study.measure(script=no_more_calls) == first
    for row in study.runs:  # as an older version wrote them
        study.store.record(replace(row, abstained=None, answer="I don't know"))
    assert study.measure(script=no_more_calls) == first


def no_more_calls(request: Request) -> str:
    raise CallFailed(Status.PROVIDER_ERROR, "it was read back")
