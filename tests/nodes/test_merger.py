from __future__ import annotations

import pytest

from apportion import JsonOutput, OneOf
from apportion.models.card import ModelCard
from apportion.models.request import Request
from apportion.nodes import Inputs, Merger
from apportion.nodes.base import Node
from apportion.nodes.merger import KIND
from apportion.nodes.prompts.replies import how_to_reply, schema_of
from apportion.records.message import Candidate, Message, Part
from apportion.records.output import Output
from apportion.records.status import Status
from apportion.records.task import Task
from apportion.testing.node import NodeBench, NodeConformance, NodeRun
from apportion.testing.scripted import ScriptedModel

TASK = Task(question="What is (40+1)-(2+3)?")
PARTS = (Part("p1", "What is 40+1?"), Part("p2", "What is 2+3?"))
SPLIT = Message(parts=PARTS, combine="What is {p1}-{p2}?", text="split")
SOLVED = Message(candidates=(Candidate("41", source="p1"), Candidate("5", source="p2")), parts=PARTS)
TOTAL = JsonOutput({"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]})


class TestConformance(NodeConformance):
    kind = KIND

    def node(self) -> Node:
        return Merger(model="scripted", max_output_tokens=200)

    def reply(self, request: Request) -> str:
        return "41-5 = 36\nAnswer: 36"

    def inputs(self) -> Inputs:
        context = super().inputs().messages["first"]
        return Inputs(TASK, TASK.question, {"split": SPLIT, "solve": SOLVED, "search": context})


class TestMendingConformance(TestConformance):
    gold = "36"

    def node(self) -> Node:
        return Merger(model="scripted", max_output_tokens=200, output="number", repairs=2)

    def reply(self, request: Request) -> str:
        mended = any("cannot be used" in message.content for message in request.messages)
        return "Answer: 36" if mended else "Answer: thirty six or so"


class TestRepeatedConformance(TestConformance):
    def node(self) -> Node:
        return Merger(model="scripted", max_output_tokens=200, samples=3, temperature=0.7)


def test_several_merges_vote_with_their_answers() -> None:
    said = ("Answer: 35", "hm", "Answer: 36", "Answer: 36.0")
    model = ScriptedModel(lambda request: said[request.sample])
    inputs = Inputs(TASK, TASK.question, {"split": SPLIT, "solve": SOLVED})
    run = NodeBench([model]).run(Merger(model="scripted", samples=4, temperature=0.7), inputs)
    assert run.message.answer == "36"
    assert [candidate.confidence for candidate in run.message.candidates] == [0.5, 0.25]
    assert [request.sample for request in model.requests] == [0, 1, 2, 3]


def test_a_part_is_passed_on_only_if_it_is_what_the_output_says() -> None:
    model = ScriptedModel(lambda request: "Answer: B")
    inputs = Inputs(TASK, TASK.question, {"split": Message(parts=PARTS, combine="{p2}"), "solve": SOLVED})
    choice = NodeBench([model]).run(Merger(model="scripted", output=OneOf("A", "B")), inputs)
    assert (choice.message.answer, len(model.requests)) == ("B", 1)
    number = NodeBench([model]).run(Merger(model="scripted", output="number"), inputs)
    assert (number.message.answer, len(model.requests)) == ("5", 1)


@pytest.mark.parametrize("output", ["text", "code", "number", OneOf("low", "high"), TOTAL])
def test_it_asks_for_its_output(output: Output) -> None:
    model = ScriptedModel(lambda request: "?", card=ModelCard(name="scripted", json_schema=True))
    inputs = Inputs(TASK, TASK.question, {"split": SPLIT, "solve": SOLVED})
    NodeBench([model]).run(Merger(model="scripted", output=output), inputs)
    (request,) = model.requests
    assert how_to_reply(output, direct=False) in request.messages[0].content
    assert request.response_schema == schema_of(output, direct=False)
    assert bool(request.response_schema) is (output == TOTAL)


def merge(split: Message, solved: Message) -> tuple[NodeRun, ScriptedModel]:
    model = ScriptedModel(lambda request: "Answer: 36")
    inputs = Inputs(TASK, TASK.question, {"split": split, "solve": solved})
    return NodeBench([model]).run(Merger(model="scripted"), inputs), model


def test_it_asks_with_the_answers_of_the_parts() -> None:
    outcome, model = merge(SPLIT, SOLVED)
    assert outcome.message.answer == "36"
    body = model.requests[0].messages[1].content
    assert "p1: What is 40+1?\np1 = 41" in body
    assert "What is {p1}-{p2}?" in body
    assert body.count("41") == 1


def test_one_part_is_passed_on_without_a_call() -> None:
    split = Message(parts=PARTS, combine=" {p2} =")
    outcome, model = merge(split, SOLVED)
    assert (outcome.message.answer, model.requests) == ("5", ())
    assert outcome.message.candidates[0].source == "node"


def test_a_part_that_is_not_needed_may_fail() -> None:
    outcome, _ = merge(Message(parts=PARTS, combine="{p2}"), Message(candidates=(Candidate("5", source="p2"),)))
    assert outcome.message.answer == "5"


def test_a_part_that_is_needed_and_failed_fails_the_whole() -> None:
    solved = Message(
        status=Status.STARVED, reason="no room", candidates=(Candidate("41", source="p1"), Candidate("", source="p2"))
    )
    outcome, model = merge(SPLIT, solved)
    assert outcome.message.status is Status.STARVED
    assert outcome.message.reason == "part p2 has no answer: no room"
    assert model.requests == ()


def test_all_parts_failed() -> None:
    outcome, _ = merge(SPLIT, Message(status=Status.TIMEOUT, reason="slow", parts=PARTS))
    assert outcome.message.status is Status.TIMEOUT


def test_a_combination_that_names_no_part_needs_all() -> None:
    split = Message(parts=PARTS, combine="Add them.")
    assert merge(split, SOLVED)[0].message.answer == "36"
    assert merge(split, Message(candidates=SOLVED.candidates[:1]))[0].message.status is Status.UNKNOWN


def test_without_parts_there_is_nothing_to_merge() -> None:
    assert merge(Message(answer="1"), SOLVED)[0].message.status is Status.SKIPPED


def test_a_combination_without_a_bound_is_refused() -> None:
    split = Message(parts=PARTS, combine="{p1}" * 60)
    solved = Message(candidates=(Candidate("4" * 500, source="p1"),))
    outcome, model = merge(split, solved)
    assert (outcome.message.status, model.requests) == (Status.PARSE_ERROR, ())
