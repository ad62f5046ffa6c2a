from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from apportion.models.request import Request
from apportion.nodes import Inputs, SymbolicSolver
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
