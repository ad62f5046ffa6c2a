from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from apportion.models.request import Request
from apportion.nodes import Inputs, SymbolicSolver, adaptive
from apportion.nodes.base import Node
from apportion.nodes.symbolic.schema import Problem
from apportion.nodes.symbolic.solve import SymbolicWorker
from apportion.nodes.symbolic_solver import KIND
from apportion.records.status import Status
from apportion.records.task import Task
from apportion.testing.node import NodeBench, NodeConformance, NodeRun
from apportion.testing.scripted import ScriptedModel

TASK = Task(question="a and b from 1 to 3 differ, a is less than b, and b is not 3.")
INPUTS = Inputs(TASK, TASK.question, {})
VARIABLES = [{"type": "int", "name": name, "low": 1, "high": 3} for name in "ab"]
LESS = {"kind": "compare", "variable": "a", "relation": "<", "other": "b"}
MORE = {"kind": "compare", "variable": "a", "relation": ">", "other": "b"}
SECOND = {"kind": "compare", "variable": "a", "relation": "=", "value": 1}
NOT_THREE = {"kind": "compare", "variable": "b", "relation": "!=", "value": 3}
GOOD = json.dumps({"variables": VARIABLES, "constraints": [LESS, NOT_THREE]})
CONTRADICTION = json.dumps({"variables": VARIABLES, "constraints": [LESS, MORE]})
TYPO = json.dumps({"variables": VARIABLES, "constraints": [{**LESS, "other": "c"}]})


@pytest.fixture(scope="module")
def worker() -> Iterator[SymbolicWorker]:
    with SymbolicWorker() as shared:
        yield shared


class TestConformance(NodeConformance):
    kind = KIND

    @pytest.fixture(autouse=True)
    def _shared(self, worker: SymbolicWorker) -> None:
        self.resource = worker

    def node(self) -> Node:
        return SymbolicSolver(model="scripted", max_output_tokens=3000, repair_rounds=2)

    def reply(self, request: Request) -> str:
        return GOOD


class TestRepeatedConformance(TestConformance):
    def node(self) -> Node:
        return SymbolicSolver(model="scripted", max_output_tokens=3000, repair_rounds=1, samples=3, temperature=0.7)


def solve(worker: SymbolicWorker, *replies: str, repair_rounds: int = 1) -> tuple[NodeRun, ScriptedModel]:
    model = ScriptedModel(lambda request: replies[len(model.requests) - 1])
    node = SymbolicSolver(model="scripted", repair_rounds=repair_rounds)
    return NodeBench([model], resource=worker).run(node, INPUTS), model


def test_a_node_opens_a_worker_of_its_own() -> None:
    outcome = NodeBench([ScriptedModel(lambda request: GOOD)]).run(SymbolicSolver(model="scripted"), INPUTS)
    assert outcome.message.answer == "a=1 b=2"


def test_the_solvers_answer_is_checked(worker: SymbolicWorker) -> None:
    outcome, _ = solve(worker, f"Here it is:\n```json\n{GOOD}\n```")
    assert outcome.message.answer == "a=1 b=2"
    assert outcome.message.candidates[0].checked


@pytest.mark.parametrize(
    ("first", "complaint"),
    [
        (TYPO, "no variable 'c'"),
        (CONTRADICTION, "contradict"),
        ("I cannot.", "no problem could be read"),
        ('{"variables": [', "no problem could be read"),
    ],
)
def test_it_is_mended_from_the_message(worker: SymbolicWorker, first: str, complaint: str) -> None:
    outcome, model = solve(worker, first, GOOD)
    assert outcome.message.answer == "a=1 b=2"
    body = model.requests[1].messages[1].content
    assert complaint in body
    assert first in body


def test_contradicting_constraints_are_a_status(worker: SymbolicWorker) -> None:
    outcome, model = solve(worker, CONTRADICTION, CONTRADICTION)
    assert (outcome.message.status, len(model.requests)) == (Status.UNSAT, 2)
    assert outcome.message.candidates == ()


def test_text_without_a_problem_is_a_parse_error(worker: SymbolicWorker) -> None:
    outcome, _ = solve(worker, "no", repair_rounds=0)
    assert outcome.message.status is Status.PARSE_ERROR


def test_the_failure_that_says_most_is_reported(worker: SymbolicWorker) -> None:
    assert solve(worker, CONTRADICTION, "no")[0].message.status is Status.UNSAT


def test_what_the_model_wrote_is_read_in_the_workers_process(
    worker: SymbolicWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_here(*_: object) -> None:
        raise AssertionError("a problem was read in the event loop's process")

    monkeypatch.setattr(Problem, "model_validate_json", read_here)
    outcome, _ = solve(worker, TYPO, GOOD)
    assert outcome.message.answer == "a=1 b=2"


def test_code_is_not_run(worker: SymbolicWorker) -> None:
    text = '{"variables": [{"type": "int", "name": "__import__(\'os\')", "low": 1, "high": 3}]}'
    message = solve(worker, text, text)[0].message
    assert message.status is Status.PARSE_ERROR
    assert "letters, digits and underscores" in message.reason


ONE_THREE = json.dumps({"variables": VARIABLES, "constraints": [LESS, {**NOT_THREE, "relation": "="}, SECOND]})


def sampled(
    worker: SymbolicWorker, replies: dict[int, str], samples: object, **settings: object
) -> tuple[NodeRun, ScriptedModel]:
    """The request with sample number i is answered by reply i."""
    model = ScriptedModel(lambda request: replies[request.sample])
    known = {"model": "scripted", "samples": samples, "temperature": 0.7, **settings}
    return NodeBench([model], resource=worker).run(SymbolicSolver.model_validate(known), INPUTS), model


def test_problems_written_several_times_vote_with_their_solutions(worker: SymbolicWorker) -> None:
    other_words = json.dumps({"variables": VARIABLES, "constraints": [NOT_THREE, LESS]})
    run, model = sampled(worker, {0: ONE_THREE, 2: GOOD, 4: CONTRADICTION, 5: "no", 6: other_words}, 4)
    assert run.message.answer == "a=1 b=2"
    assert [(c.confidence, c.checked) for c in run.message.candidates] == [(0.5, True), (0.25, True)]
    assert sorted(request.sample for request in model.requests) == [0, 2, 4, 5, 6]  # the third is mended once
    (told,) = [fields for event, fields in run.events if event == "vote"]
    assert (told["drawn"], told["votes"], told["failed"]) == (4, [2, 1], ["unsat"])


def test_what_has_no_solution_is_no_vote_and_is_drawn_anew_where_that_is_a_flag(worker: SymbolicWorker) -> None:
    run, _ = sampled(worker, {0: CONTRADICTION, 1: "no"}, 2, repair_rounds=0)
    assert (run.message.status, run.message.candidates) == (Status.UNSAT, ())
    run, model = sampled(worker, {0: CONTRADICTION, 1: "no", 2: GOOD}, 1, repair_rounds=0, red_flags=("unread",))
    assert (run.message.answer, len(model.requests)) == ("a=1 b=2", 3)


def test_adaptive_problems_end_when_enough_solutions_agree(worker: SymbolicWorker) -> None:
    replies = {0: GOOD, 1: ONE_THREE, 2: GOOD}
    run, model = sampled(worker, replies, adaptive(1, 5), repair_rounds=0, stop="ahead_by_1")
    assert (run.message.answer, len(model.requests)) == ("a=1 b=2", 1)
    run, model = sampled(worker, replies, adaptive(2, 5), repair_rounds=0, stop="agree_2")
    assert (run.message.answer, len(model.requests)) == ("a=1 b=2", 3)
