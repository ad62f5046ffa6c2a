from __future__ import annotations

from collections.abc import Mapping

from apportion.budgets.books import MemoryStore
from apportion.budgets.cap import Cap
from apportion.graphs.gate import Gate
from apportion.graphs.graph import Graph
from apportion.models.pool import Pool
from apportion.models.request import Request
from apportion.nodes.function import Function
from apportion.nodes.knob import choose
from apportion.nodes.solver import Solver
from apportion.nodes.verifier import Verifier
from apportion.optimizers.study.optimize import optimize
from apportion.optimizers.study.report import FunctionReport, StudyReport
from apportion.records.message import Message
from apportion.records.task import Task
from apportion.testing.scripted import ScriptedModel


def third(question: str, inputs: Mapping[str, Message], task: Task) -> str:
    number = int("".join(filter(str.isdigit, question)))
    if number % 3 == 0:
        raise LookupError(f"{number} is not in the table")
    return "yes" if number % 3 == 1 else "x" * 99


def study(function: Function, store: MemoryStore) -> StudyReport:
    graph = Graph("look").add("solve", Solver(max_output_tokens=choose(20, 40))).add("look", function)
    graph.add("judge", Verifier(method="vote")).connect("solve", "judge").connect("look", "judge")
    tasks = [Task(question=f"Is {number} fine?", gold="yes") for number in range(60)]
    pool = Pool([ScriptedModel(lambda request: "Answer: yes")])
    return optimize(graph, tasks, pool, cap=Cap(total=1e6), spend=1e6, policies=(), store=store)


def test_a_function_that_failed_beside_others_that_answered_is_told_of() -> None:
    store = MemoryStore()
    report = study(Function(third, result_bytes=16), store)
    assert report.best is not None
    assert report.best.validation.coverage == 1.0
    (found,) = report.failed_functions
    tasks = report.tasks["validation"]
    assert (found.node, found.executions) == ("look", tasks)
    assert found.failed == sum(found.statuses.values()) > tasks / 3
    assert set(found.statuses) == {"tool_error", "oversize"}
    assert found.reason in [span.reason for span in store.spans(found.run_id) if span.node == "look"]
    assert StudyReport.model_validate_json(report.model_dump_json()).failed_functions == (found,)
    assert isinstance(found, FunctionReport)


def test_where_none_failed_nothing_is_told() -> None:
    assert study(Function(lambda question, inputs, task: "yes"), MemoryStore()).failed_functions == ()


def test_what_a_gate_kept_from_running_is_no_execution() -> None:
    def reply(request: Request) -> str:
        number = int("".join(filter(str.isdigit, request.messages[-1].content)))
        return f"Answer: {request.sample if number % 4 == 0 else 'yes'}"

    def fail(question: str, inputs: Mapping[str, Message], task: Task) -> str:
        raise LookupError("not in the table")

    graph = Graph("look").add("solve", Solver(style="direct", samples=3, max_output_tokens=32))
    graph.add("look", Function(fail)).add("last", Verifier(method="last"))
    graph.connect("solve", "look", when=Gate("confidence", below=0.9), forward="none")
    graph.connect("solve", "last").connect("look", "last")
    tasks = [Task(question=f"Is {number} fine?", gold="yes") for number in range(100)]
    store = MemoryStore()
    report = optimize(
        graph, tasks, Pool([ScriptedModel(reply)]), cap=Cap(total=1e6), spend=1e7, policies=(), store=store
    )
    (found,), (gate,) = report.failed_functions, report.gates
    assert 0 < gate.opened < gate.runs == report.tasks["validation"]
    assert (found.node, found.executions, found.failed) == ("look", gate.opened, gate.opened)
