from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from apportion.errors import CallFailed
from apportion.models.request import Request
from apportion.nodes import Decomposer, Inputs
from apportion.nodes.base import Node
from apportion.nodes.decomposer import KIND
from apportion.records.message import Message, Part
from apportion.records.status import Status
from apportion.records.task import Task
from apportion.testing.node import NodeBench, NodeConformance, Outcome
from apportion.testing.scripted import ScriptedModel

TASK = Task(question="How many years lie between the birth of Ann and that of her brother?")
INPUTS = Inputs(TASK, TASK.question, {})
GOOD = {"parts": ["When was Ann born?", "When was Ann's brother born?"], "combine": "{p2} - {p1}"}


class TestConformance(NodeConformance):
    kind = KIND

    def node(self) -> Node:
        return Decomposer(model="scripted", max_output_tokens=300)

    def reply(self, request: Request) -> str:
        return json.dumps({"parts": ["40", "2"], "combine": "{p1}+{p2}"})


class TestConformanceWhole(TestConformance):
    calls = False

    def node(self) -> Node:
        return Decomposer(model="scripted", max_parts=1)


def decompose(reply: object, **settings: object) -> Outcome:
    text = reply if isinstance(reply, str) else json.dumps(reply)
    node = Decomposer.model_validate({"model": "scripted", **settings})
    return NodeBench([ScriptedModel(lambda request: text)]).run(node, INPUTS)


def test_parts_and_their_combination() -> None:
    message = decompose(GOOD).message
    assert message.parts == (Part("p1", "When was Ann born?"), Part("p2", "When was Ann's brother born?"))
    assert message.combine == "{p2} - {p1}"
    assert message.status is Status.OK


def test_a_part_needs_the_parts_that_it_names() -> None:
    message = decompose({"parts": ["Who is Ann's brother?", "When was {p1} born?"], "combine": "{p2}"}).message
    assert message.parts[1] == Part("p2", "When was {p1} born?", ("p1",))


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("I would not split this.", "no answer could be read"),
        ({"parts": ["a?", "b?", "c?", "d?", "e?"], "combine": "{p1}"}, "5 parts, at most 4"),
        ({"parts": ["a?" * 150], "combine": "{p1}"}, "longer than 256 bytes"),
    ],
)
def test_what_cannot_be_used_goes_on_whole_and_is_counted(reply: object, reason: str) -> None:
    outcome = decompose(reply)
    assert outcome.message.parts == (Part("p1", TASK.question),)
    assert outcome.message.combine == "{p1}"
    assert outcome.message.status is Status.PARSE_ERROR
    assert reason in outcome.message.reason
    assert outcome.events[0][0] == "whole"
    assert outcome.charged.tokens > 0


def test_a_failed_call_goes_on_whole() -> None:
    def fail(request: Request) -> str:
        raise CallFailed(Status.TIMEOUT, "too slow")

    message = NodeBench([ScriptedModel(fail)]).run(Decomposer(model="scripted"), INPUTS).message
    assert (message.status, len(message.parts)) == (Status.TIMEOUT, 1)


def test_a_question_with_braces_is_not_mistaken_for_parts() -> None:
    task = Task(question="What does {p1} mean in {p2}?")
    model = ScriptedModel(lambda request: "no")
    message = NodeBench([model]).run(Decomposer(model="scripted"), Inputs(task, task.question, {})).message
    assert message.parts == (Part("p1", task.question),)


def test_one_part_costs_nothing() -> None:
    outcome = decompose(GOOD, max_parts=1)
    assert outcome.message == Message(parts=(Part("p1", TASK.question),), combine="{p1}")
    assert outcome.bounds == ()


def test_more_parts_than_an_edge_can_carry_are_refused() -> None:
    with pytest.raises(ValidationError):
        Decomposer(max_parts=17)
