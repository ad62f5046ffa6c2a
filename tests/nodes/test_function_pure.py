from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

import pytest

from apportion.budgets.books import MemoryStore
from apportion.graphs.graph import Graph
from apportion.graphs.run import Runner
from apportion.models.pool import Pool
from apportion.nodes.function import Function
from apportion.records.message import Candidate, Message
from apportion.records.status import Status
from apportion.records.task import Task
from apportion.testing.scripted import ScriptedModel

TASK = Task(question="What is 40+2?", gold="42")
POOL = Pool([ScriptedModel(lambda request: "Answer: 42")])


@pytest.mark.parametrize(
    ("first", "calls"),
    [(Message(status=Status.TOOL_ERROR, reason="down"), 2), (None, 2), ("x" * 99, 2), ("", 1), ("fine", 1)],
)
def test_what_a_pure_function_returned_as_a_failure_is_tried_again(first: Any, calls: int) -> None:
    asked: list[str] = []

    def look(question: str, inputs: Mapping[str, Message], task: Task) -> Any:
        asked.append(question)
        return first if len(asked) == 1 else "fine"

    async def ask() -> str:
        async with Runner(Graph("g").add("own", Function(look, pure=True, result_bytes=64)), POOL, MemoryStore()) as it:
            await it.run(TASK, it.space.default())
            return (await it.run(TASK, it.space.default())).answer

    assert asyncio.run(ask()) == ("" if first == "" else "fine")
    assert len(asked) == calls


def test_what_one_run_does_to_the_data_of_a_pure_function_no_other_sees() -> None:
    def look(question: str, inputs: Mapping[str, Message], task: Task) -> Message:
        return Message(answer="3", data=[1, 2, 3], candidates=(Candidate("3", data=[1, 2, 3]),))

    def last(question: str, inputs: Mapping[str, Message], task: Task) -> str:
        message = inputs["look"]
        return f"{message.data.pop()} {message.candidates[0].data.pop()}"

    graph = Graph("g").add("look", Function(look, pure=True)).add("last", Function(last)).connect("look", "last")

    async def answers() -> list[str]:
        async with Runner(graph, POOL, MemoryStore()) as runner:
            return [(await runner.run(TASK, runner.space.default())).answer for _ in range(5)]

    assert asyncio.run(answers()) == ["3 3"] * 5


def test_data_that_cannot_be_copied_is_no_result_of_a_pure_function() -> None:
    def look(question: str, inputs: Mapping[str, Message], task: Task) -> Message:
        return Message(answer="3", data=threading.Lock())

    found = Graph("g").add("own", Function(look, pure=True)).run(TASK, pool=POOL)
    assert found.status is Status.TOOL_ERROR
    assert "it returned data that cannot be copied for another run: TypeError" in found.reason
    assert Graph("g").add("own", Function(look)).run(TASK, pool=POOL).answer == "3"
