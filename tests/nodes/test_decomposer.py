from __future__ import annotations

import json
import re

import pytest

from apportion.budgets.books import MemoryStore
from apportion.errors import CallFailed, GraphError
from apportion.graphs.graph import Graph
from apportion.models.card import ModelCard
from apportion.models.pocket import load_pocket_model, pocket_names
from apportion.models.pool import Pool
from apportion.models.request import Request
from apportion.nodes import Decomposer, Inputs, Merger, Solver, adaptive, choose
from apportion.nodes.base import Node
from apportion.nodes.decomposer import KIND
from apportion.records.message import Message, Part
from apportion.records.status import Status
from apportion.records.task import Task
from apportion.tasks.families import generate
from apportion.tasks.metrics import score
from apportion.testing.node import NodeBench, NodeConformance, NodeRun
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


class TestRepeatedConformance(TestConformance):
    def node(self) -> Node:
        return Decomposer(model="scripted", max_output_tokens=300, samples=3, temperature=0.7)


class TestConformanceSlices(TestConformance):
    calls = False

    def node(self) -> Node:
        return Decomposer(method="slices", model="scripted")


class TestConformanceWhole(TestConformance):
    calls = False

    def node(self) -> Node:
        return Decomposer(model="scripted", max_parts=1)


def decompose(reply: object, **settings: object) -> NodeRun:
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
    with pytest.raises(GraphError):
        Decomposer(max_parts=17)


LETTERS = "".join(chr(ord("b") + position * 7 % 20) for position in range(100))


def sliced(question: str, **settings: object) -> NodeRun:
    def refuse(request: Request) -> str:
        raise AssertionError("slices make no call")

    task = Task(question=question)
    node = Decomposer.model_validate({"method": "slices", **settings})
    return NodeBench([ScriptedModel(refuse)]).run(node, Inputs(task, question, {}))


@pytest.mark.parametrize(
    ("settings", "sizes"),
    [
        ({}, [33, 33, 34]),
        ({"slice_letters": 50}, [50, 50]),
        ({"slice_letters": 99}, [50, 50]),
        ({"slice_letters": 5, "max_parts": 16}, [6, 6, 6, 7, 6, 6, 6, 7, 6, 6, 6, 7, 6, 6, 6, 7]),
        ({"slice_letters": 1, "max_parts": 2}, [50, 50]),
    ],
)
def test_a_list_at_the_end_is_cut_into_equal_slices_without_a_call(
    settings: dict[str, object], sizes: list[int]
) -> None:
    outcome = sliced(f"Count k in {LETTERS}", **settings)
    heads, listed = zip(*(part.question.rsplit(" ", 1) for part in outcome.message.parts), strict=True)

    assert [len(slice_) for slice_ in listed] == sizes
    assert set(heads) == {"Count k in"}
    assert "".join(listed) == LETTERS
    assert outcome.message.combine == "+".join(f"{{p{number}}}" for number in range(1, len(sizes) + 1)) + "="
    assert outcome.message.status is Status.OK
    assert outcome.events == (("decomposed", {"parts": len(sizes)}),)
    assert (outcome.charged.tokens, outcome.bounds) == (0, ())


@pytest.mark.parametrize("question", [f"Count k in {LETTERS[:40]}", LETTERS, "How many k are there?", "k"])
def test_a_question_without_a_long_list_goes_on_whole(question: str) -> None:
    outcome = sliced(question)

    assert (outcome.message.parts, outcome.message.combine) == ((Part("p1", question),), "{p1}")
    assert outcome.events[0][0] == "whole"
    assert "more than 40 letters" in str(outcome.events[0][1]["reason"])


def test_only_the_knobs_of_the_method_are_open() -> None:
    sizes = choose(20, 40)
    both = Decomposer(method=choose("slices", "model"), slice_letters=sizes)

    assert set(both.open_knobs(("m",))) == {"model", "method", "slice_letters"}
    assert set(Decomposer(method="slices", slice_letters=sizes).open_knobs(("m",))) == {"slice_letters"}
    assert set(Decomposer(slice_letters=sizes).open_knobs(("m",))) == {"model"}


def pipeline(solver: Solver, merger: Merger) -> Graph:
    graph = Graph("counting")
    graph.add("split", Decomposer(method="slices", model="m", max_parts=16, slice_letters=choose(40, 20)))
    graph.add("part", solver).add("merge", merger)
    return graph.each("split", "part", "merge")


def add_or_count(request: Request) -> str:
    question = request.messages[-1].content
    counting = re.fullmatch(r"TCount ([a-z]) in ([a-z]+)", question)
    if counting:
        return f"{counting[2].count(counting[1]):02d}"
    assert re.fullmatch(r"T[0-9]{2}(\+[0-9]{2})+=", question)
    return f"{sum(map(int, re.findall('[0-9]{2}', question))) % 100:02d}"


@pytest.mark.parametrize("difficulty", [1, 3, 5, 7])
def test_slices_counted_and_added_up_give_the_count_of_the_whole(difficulty: int) -> None:
    model = ScriptedModel(add_or_count, card=ModelCard(name="m", dialect="pocket", attempts=1), name="m")
    graph = pipeline(Solver(model="m", max_output_tokens=32), Merger(model="m", max_output_tokens=32))
    slices = {1: 1, 3: 1, 5: 4, 7: 16}[difficulty]
    for task in generate("counting", 3, 1, difficulty):
        asked = len(model.requests)
        result = graph.run(task, pool=Pool([model]), metric=score)
        assert (result.answer, result.score) == (task.gold, 1.0)
        assert len(model.requests) - asked == slices + (slices > 1)


@pytest.mark.parametrize("name", pocket_names())
def test_slices_run_on_the_embedded_models(name: str) -> None:
    """What they answer depends on their training; here they are asked in a way that none of them was trained on."""
    store = MemoryStore()
    model = load_pocket_model(name)
    graph = pipeline(
        Solver(model=name, style="think", temperature=0.0, max_output_tokens=24),
        Merger(model=name, max_output_tokens=96),
    )
    result = graph.run(f"count k: {LETTERS}", pool=Pool([model]), store=store)
    spans = store.spans(result.run_id)

    cuts = [f"count k: {LETTERS[:33]}", f"count k: {LETTERS[33:66]}", f"count k: {LETTERS[66:]}"]
    assert sorted(span.part for span in spans if span.node == "part") == sorted(cuts)
    assert all(span.charged.tokens > 0 for span in spans if span.node == "part")
    assert [span.charged.tokens for span in spans if span.node == "split"] == [0]


def sampled(*replies: object, **settings: object) -> tuple[NodeRun, ScriptedModel]:
    """Sample i replies as the i-th script says."""

    def script(request: Request) -> str:
        reply = replies[request.sample]
        if isinstance(reply, Exception):
            raise reply
        return reply if isinstance(reply, str) else json.dumps(reply)

    model = ScriptedModel(script)
    known = {"model": "scripted", "temperature": 0.7, "samples": len(replies), **settings}
    return NodeBench([model]).run(Decomposer.model_validate(known), INPUTS), model


OTHER = {"parts": ["When was Ann's mother born?", "When was Ann born?"], "combine": "{p2} - {p1}"}
RENAMED = {"parts": ["When was ann\u2019s brother born", "When was Ann born?"], "combine": "{p1}-{p2}."}
SWAPPED = {**GOOD, "combine": "{p1} - {p2}"}


def test_the_most_frequent_decomposition_wins_whatever_the_order_of_its_parts() -> None:
    run, model = sampled(OTHER, GOOD, SWAPPED, RENAMED, "I would not split this.")
    assert run.message.combine == "{p2} - {p1}"
    assert [part.question for part in run.message.parts] == GOOD["parts"]
    assert [request.sample for request in model.requests] == [0, 1, 2, 3, 4]
    (told,) = [fields for event, fields in run.events if event == "vote"]
    assert (told["votes"], told["failed"]) == ([2, 1, 1], ["parse_error"])
    assert run.events[-1] == ("decomposed", {"parts": 2})


def test_adaptive_decompositions_end_when_enough_agree() -> None:
    run, model = sampled(GOOD, OTHER, RENAMED, GOOD, samples=adaptive(1, 4), stop="agree_2")
    assert len(model.requests) == 3
    assert run.message.combine == GOOD["combine"]


def test_where_every_sample_fails_the_question_goes_on_whole_with_the_failure_that_says_most() -> None:
    slow = CallFailed(Status.TIMEOUT, "too slow")
    run, model = sampled(slow, {"parts": [], "combine": ""}, "no", red_flags=("unread",), redraws=0)
    assert run.message.parts == (Part("p1", TASK.question),)
    assert run.message.status is Status.PARSE_ERROR
    assert len(model.requests) == 3
    run, _ = sampled("no", "no", slow, slow, samples=2, red_flags=("unread",))
    assert (run.message.status, len(run.message.parts)) == (Status.PARSE_ERROR, 1)


def test_a_decomposition_that_cannot_be_used_is_drawn_anew() -> None:
    run, model = sampled({"parts": ["a?"] * 9, "combine": "{p1}"}, GOOD, samples=1, red_flags=("unread",))
    assert (len(run.message.parts), len(model.requests)) == (2, 2)


def test_a_red_flag_that_fails_leaves_the_question_whole() -> None:
    run, _ = sampled(GOOD, GOOD, red_flags=(lambda sample: 1 // 0,))
    assert (run.message.status, len(run.message.parts)) == (Status.TOOL_ERROR, 1)
    assert "ZeroDivisionError" in run.message.reason


def test_what_makes_no_call_has_no_draws() -> None:
    assert [KIND.draws(node) for node in (Decomposer(max_parts=1), Decomposer(method="slices"))] == [None, None]
    draws = KIND.draws(Decomposer(temperature=0.7, samples=3))
    assert draws is not None
    assert (draws.number, draws.curves) == (3, False)
