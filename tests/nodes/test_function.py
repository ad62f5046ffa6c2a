from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from apportion.budgets.books import MemoryStore
from apportion.errors import GraphError, UsageError
from apportion.graphs.bounds import worst_case
from apportion.graphs.graph import Graph
from apportion.graphs.run import Runner
from apportion.models.pool import Pool
from apportion.models.request import Request
from apportion.nodes.base import Inputs, Node
from apportion.nodes.function import KIND, Function
from apportion.nodes.merger import Merger
from apportion.nodes.solver import Solver
from apportion.nodes.verifier import Verifier
from apportion.records.message import Candidate, Forward, Message, MessageSize, Part
from apportion.records.status import Status
from apportion.records.task import Task
from apportion.testing.node import NodeBench, NodeConformance, NodeRun
from apportion.testing.scripted import ScriptedModel

TASK = Task(question="What is 40+2?", gold="42")
INPUTS = Inputs(TASK, TASK.question, {"first": Message(answer="41"), "second": Message(status=Status.TIMEOUT)})
POOL = Pool([ScriptedModel(lambda request: "Answer: 42")])


def add(question: str, inputs: Mapping[str, Message], task: Task) -> str:
    left, _, right = question.removeprefix("What is ").rstrip("?").partition("+")
    return str(int(left) + int(right))


async def later(question: str, inputs: Mapping[str, Message], task: Task) -> dict[str, Any]:
    await asyncio.sleep(0)
    return {"b": [1, 2.5, None], "a": "é"}


class TestConformance(NodeConformance):
    kind = KIND
    calls = False

    def node(self) -> Node:
        return Function(add)

    def reply(self, request: Request) -> str:
        return "42"


class TestAsyncConformance(TestConformance):
    def node(self) -> Node:
        return Function(later, pure=True, timeout_seconds=5, result_bytes=100)


def run(function: Any, inputs: Inputs = INPUTS, **settings: Any) -> NodeRun:
    return NodeBench(POOL).run(Function(function, **settings), inputs)


def returning(value: Any) -> Callable[..., Any]:
    return lambda question, inputs, task: value


def test_it_is_given_the_question_the_messages_by_name_and_the_task() -> None:
    seen: list[Any] = []

    def look(*given: Any) -> str:
        seen.extend(given)
        return "seen"

    done = run(look)
    assert (done.message, done.requests, done.charged.tokens) == (Message(answer="seen"), (), 0)
    assert seen == [TASK.question, INPUTS.messages, TASK]
    with pytest.raises(TypeError):
        seen[1]["first"] = Message()


def test_a_dict_becomes_json_in_one_spelling_with_its_value() -> None:
    message = run(later).message
    assert message.answer == '{"a":"é","b":[1,2.5,null]}'
    assert message.data == {"a": "é", "b": [1, 2.5, None]}
    assert message.forwarded(Forward.ANSWER).data == message.data
    assert run(returning({"b": [1, 2.5, None], "a": "é"})).message == message


def test_a_message_passes_as_it_is() -> None:
    said = Message(
        Status.UNKNOWN, "", "thought", (Candidate("a", 0.5, checked=True),), ("e",), reason="why", accepted=False
    )
    assert run(returning(said)).message == said


def test_an_empty_text_says_that_there_is_nothing_to_say() -> None:
    message = run(returning(" \n")).message
    assert (message.status, message.answer) == (Status.SKIPPED, "")
    assert message.reason


class Odd(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def fails_in_time(error: BaseException) -> tuple[Callable[..., Any], ...]:
    def now(question: str, inputs: Any, task: Any) -> str:
        raise error

    async def soon(question: str, inputs: Any, task: Any) -> str:
        raise error

    return now, soon, lambda *given: soon(*given)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("first\nsecond"), "ValueError: first"),
        (KeyError("x"), "KeyError: 'x'"),
        (ZeroDivisionError(), "ZeroDivisionError"),
        (SystemExit(3), "SystemExit: 3"),
        (asyncio.CancelledError(), "CancelledError"),
        (TimeoutError("of its own"), "TimeoutError: of its own"),
        (RuntimeError("\ud800" + "x" * 5000), "RuntimeError: \ufffd" + "x" * 299),
        (Odd(), "Odd: its own text cannot be written"),
    ],
    ids=repr,
)
def test_an_exception_is_a_status_with_its_type_and_first_line(error: BaseException, reason: str) -> None:
    for function in fails_in_time(error):
        message = run(function).message
        assert message.status is Status.TOOL_ERROR
        assert message.reason.startswith(reason)
        assert "second" not in message.reason


def test_what_a_generator_ends_with_is_an_error_too() -> None:
    assert run(lambda *given: next(iter(()))).message.reason.startswith(("StopIteration", "RuntimeError"))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "it returned NoneType; return a str, a dict or a Message"),
        (42, "it returned int"),
        (["a"], "it returned list"),
        (b"bytes", "it returned bytes"),
        ({"a": {1, 2}}, "not JSON: TypeError"),
        ({"a": float("nan")}, "not JSON: ValueError"),
        ({(1, 2): "a"}, "not JSON: TypeError"),
        (Message(answer=5), "field of another type"),  # type: ignore[arg-type]
        (Message(status="ok"), "field of another type"),  # type: ignore[arg-type]
        (Message(evidence=(5,)), "field of another type"),  # type: ignore[arg-type]
        (Message(parts=(Part("p1", "x" * 300),), combine="{p1}"), "a part is longer than 256 bytes"),
        (Message(parts=(Part("p1", "?", ("p1",)),), combine="{p1}"), "parts that cannot be worked off"),
    ],
)
def test_what_cannot_be_an_answer_is_an_error(value: Any, reason: str) -> None:
    message = run(returning(value)).message
    assert message.status is Status.TOOL_ERROR
    assert reason in message.reason


def test_a_dict_within_itself_is_an_error() -> None:
    around: dict[str, Any] = {}
    around["in"] = around
    assert run(returning(around)).message.status is Status.TOOL_ERROR


@pytest.mark.parametrize(
    "value",
    [
        "é" * 51,
        {"a": "x" * 99},
        Message(answer="x" * 60, text="y" * 60),
        Message(evidence=("x",) * 101),
        Message(reason="x" * 101, status=Status.UNKNOWN),
        Message(candidates=tuple(Candidate(str(number)) for number in range(17))),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_more_than_it_may_return_is_oversize_and_nothing_is_cut(value: Any) -> None:
    message = run(returning(value), result_bytes=100).message
    assert (message.status, message.answer, message.evidence) == (Status.OVERSIZE, "", ())
    assert "result_bytes=100" in message.reason


def test_what_just_fits_passes_whole() -> None:
    assert run(returning("é" * 50), result_bytes=100).message.answer == "é" * 50
    large = "x" * 100_000
    assert run(returning(large), result_bytes=100_000).message.answer == large


def test_a_function_that_hangs_is_left_and_the_loop_goes_on() -> None:
    release, ended = threading.Event(), []

    def hang(question: str, inputs: Any, task: Any) -> str:
        release.wait(20)
        ended.append("hang")
        return "late"

    async def deaf(question: str, inputs: Any, task: Any) -> str:
        try:
            await asyncio.sleep(20)
        except asyncio.CancelledError:
            await asyncio.sleep(20)
            ended.append("deaf")
            raise ValueError("late") from None
        return ""

    for function in (hang, deaf):
        message = run(function, timeout_seconds=0.1).message
        assert ended == []
        assert (message.status, message.reason) == (Status.TIMEOUT, "not done within timeout_seconds=0.1")
    release.set()


def test_functions_do_not_hold_up_the_loop() -> None:
    together = threading.Barrier(8)

    def meet(question: str, inputs: Any, task: Any) -> str:
        together.wait(20)
        return "met"

    async def answers() -> set[str]:
        async with Runner(Graph("g").add("slow", Function(meet)), POOL, MemoryStore()) as runner:
            plan = runner.space.default()
            results = await asyncio.gather(*(runner.run(TASK, plan, engine="direct") for _ in range(8)))
            return {result.answer for result in results}

    assert asyncio.run(answers()) == {"met"}


def counted(**settings: Any) -> tuple[Function, list[str]]:
    asked: list[str] = []

    def count(question: str, inputs: Mapping[str, Message], task: Task) -> str:
        asked.append(question)
        if question == "fail":
            raise ValueError
        return f"{question} {len(asked)}"

    return Function(count, **settings), asked


@pytest.mark.parametrize(("pure", "calls"), [(True, 3), (False, 6)])
def test_a_pure_function_is_not_called_again_for_the_same(pure: bool, calls: int) -> None:
    node, asked = counted(pure=pure)

    async def answers() -> list[str]:
        async with Runner(Graph("g").add("own", node), POOL, MemoryStore()) as runner:
            plan = runner.space.default()
            tasks = [Task(question=question) for question in ("a", "b", "a", "a", "b")]
            tasks.append(Task(question="a", context=("more",)))
            return [(await runner.run(task, plan)).answer for task in tasks]

    found = asyncio.run(answers())
    assert len(asked) == calls
    assert (len(set(found)) == 3) is pure


def test_a_failure_is_tried_again() -> None:
    node, asked = counted(pure=True)

    async def fail_twice() -> None:
        async with Runner(Graph("g").add("own", node), POOL, MemoryStore()) as runner:
            for _ in range(2):
                result = await runner.run(Task(question="fail"), runner.space.default())
                assert (result.status, result.reason) == (Status.TOOL_ERROR, "ValueError")

    asyncio.run(fail_twice())
    assert asked == ["fail", "fail"]


@pytest.mark.parametrize("function", [lambda question: question, lambda: "", lambda a, b, c, d: a])
def test_a_function_of_other_arguments_is_refused_before_anything_runs(function: Any) -> None:
    with pytest.raises(UsageError, match=r"cannot be called as \(question, inputs, task\)"):
        run(function)


@pytest.mark.parametrize(
    "settings", [{"timeout_seconds": 0}, {"timeout_seconds": float("inf")}, {"result_bytes": 0}, {"pure": "perhaps"}]
)
def test_bad_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(GraphError):
        Function(add, **settings)


def test_it_stands_beside_a_solver_and_a_check_votes() -> None:
    graph = Graph("beside").add("solve", Solver(model="scripted", max_output_tokens=32)).add("sum", Function(add))
    graph.add("judge", Verifier(method="vote")).connect("solve", "judge").connect("sum", "judge")
    result = graph.run(TASK, pool=POOL)
    assert (result.answer, result.status) == ("42", Status.OK)


def test_it_splits_a_question_and_checks_a_loop() -> None:
    def split(question: str, inputs: Mapping[str, Message], task: Task) -> Message:
        left, _, right = question.rstrip("=").partition("+")
        return Message(parts=(Part("p1", left), Part("p2", right)), combine="{p2}")

    graph = Graph("parts").add("split", Function(split)).add("each", Function(lambda question, *_: f"<{question}>"))
    graph.add("merge", Merger(model="scripted")).each("split", "each", "merge")
    assert graph.run("12+34=", pool=POOL).answer == "<34>"

    rounds: list[str] = []

    def check(question: str, inputs: Mapping[str, Message], task: Task) -> Message:
        rounds.append(inputs["solve"].answer)
        return replace(inputs["solve"], accepted=len(rounds) == 2, reason="once more")

    loop = Graph("loop").add("solve", Solver(model="scripted", max_output_tokens=32)).add("check", Function(check))
    loop.connect("solve", "check").loop("check", "solve", rounds=3)
    assert loop.run(TASK, pool=POOL).answer == "42"
    assert rounds == ["42", "42"]


def test_a_failing_function_is_on_the_books_and_the_others_answer() -> None:
    def fail(question: str, inputs: Any, task: Any) -> str:
        raise LookupError("no such row")

    store = MemoryStore()
    graph = Graph("beside").add("solve", Solver(model="scripted", max_output_tokens=32)).add("own", Function(fail))
    graph.add("judge", Verifier(method="vote")).connect("solve", "judge").connect("own", "judge")
    result = graph.run(TASK, pool=POOL, store=store)
    assert result.answer == "42"
    spans = {span.node: span for span in store.spans(result.run_id)}
    assert (spans["own"].status, spans["own"].reason) == (Status.TOOL_ERROR, "LookupError: no such row")


def test_the_bounds_of_what_reads_it_follow_its_setting() -> None:
    def bound(result_bytes: int) -> int:
        graph = Graph("g").add("own", Function(add, result_bytes=result_bytes)).add("solve", Solver(model="scripted"))
        graph.connect("own", "solve")
        return worst_case(graph, graph.space(POOL).default(), TASK, POOL).value("tokens")

    # Twice: it may come as an answer, which is a note to its reader, or as evidence.
    assert bound(1000) - bound(100) == 2 * 900


def test_it_calls_no_model_and_writes_what_its_setting_says() -> None:
    assert KIND.called_by(Function(add)) == ()
    size = KIND.writes(Function(add, result_bytes=7), None, None, None) if KIND.writes else None  # type: ignore[arg-type]
    assert isinstance(size, MessageSize)
    assert size.total == 7


def test_its_json_names_the_function() -> None:
    data = json.loads(json.dumps(Function(add, pure=True).canonical()))
    assert data == {
        "kind": "function",
        "version": 1,
        "function": {"import": f"{__name__}:add"},
        "timeout_seconds": 30.0,
        "result_bytes": 8192,
        "pure": True,
    }


def test_a_graph_with_a_function_is_written_and_read_where_its_module_is_admitted() -> None:
    graph = Graph("own").add("sum", Function(add, result_bytes=9))
    assert graph.blueprint.modules == (__name__,)
    again = Graph.from_json(graph.to_json(), allow=(__name__,))
    assert (again.hash, again.run(TASK, pool=POOL).answer) == (graph.hash, "42")
    with pytest.raises(UsageError, match=f"--allow {__name__}"):
        Graph.from_json(graph.to_json())
