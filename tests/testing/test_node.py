"""The conformance suite must catch kinds that say of themselves what is not so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import pytest

from apportion.errors import CapReached, UsageError
from apportion.models.request import Request
from apportion.nodes import CallBound, Context, Draws, Inputs, Kind, Knob, Node, adaptive
from apportion.nodes.prompts.base import Style
from apportion.records.message import Candidate, Message
from apportion.testing.node import NodeBench, NodeConformance
from apportion.testing.scripted import ScriptedModel


class Twice(Node):
    """Asks twice, without marking its model."""

    kind: ClassVar[str] = "twice"

    who: Knob[str] = "scripted"
    times: Knob[int] = 2


async def _run(node: Twice, inputs: Inputs, context: Context) -> Message:
    prompt = context.dialect(node.who).solve(inputs.ask(), Style.DIRECT)
    drawn = []
    for _ in range(node.times):
        reply = await context.call(Request(node.who, prompt.messages, 20, temperature=0.7))
        drawn.append([reply.text, None])
    context.record("asked", draws=drawn)
    return Message(answer="42", candidates=(Candidate("42"),))


async def _asking(node: Any, inputs: Inputs, context: Context, score: Any) -> Message:
    await context.call(Request(node.who, context.dialect(node.who).solve(inputs.ask(), Style.DIRECT).messages, 20))
    return Message(answer=inputs.task.gold)


async def _reading(node: Twice, inputs: Inputs, context: Context) -> Message:
    notes = [message.answer for message in inputs.messages.values()]
    prompt = context.dialect(node.who).solve(inputs.ask(notes=notes), Style.DIRECT)
    await context.call(Request(node.who, prompt.messages, 20))
    return Message(answer="42")


async def _knowing(node: Any, inputs: Inputs, context: Context, score: Any) -> Message:
    return Message(answer="42")


async def _renumbering(node: Twice, inputs: Inputs, context: Context) -> Message:
    """Numbers its draws from the last to the first."""
    prompt = context.dialect(node.who).solve(inputs.ask(), Style.DIRECT)
    for number in range(node.times):
        await context.call(Request(node.who, prompt.messages, 20, sample=10 - number - node.times))
    return Message(answer="42")


def _times(node: Twice) -> Draws:
    return Draws("times", node.times)


PLAIN = Kind(Twice, _run, lambda node, *_: (CallBound(node.who, 2000, 9, 20, times=2),))


def suite(kind: Kind[Any]) -> NodeConformance:
    class Suite(NodeConformance):
        def node(self) -> Node:
            return Twice()

        def reply(self, request: Request) -> str:
            return "Answer: 42"

    made = Suite()
    made.kind = kind
    return made


@pytest.mark.parametrize(
    ("test", "said", "broken"),
    [
        ("test_knobs_that_hold_a_model_are_marked", {}, "declare 'who'"),
        ("test_it_calls_the_models_that_its_kind_names", {"models": lambda node: ("scripted", "other")}, "other"),
        ("test_it_calls_the_models_that_its_kind_names", {"models": lambda node: ()}, "scripted"),
        (
            "test_its_draws_are_numbered_and_on_record",
            {"draws": lambda node: Draws("times", node.times)},
            "1 draws, not 2",
        ),
        ("test_its_draws_are_numbered_and_on_record", {"draws": lambda node: Draws("tries", node.times)}, "tries"),
        ("test_its_draws_are_numbered_and_on_record", {"draws": lambda node: Draws("times", 3)}, "not 3"),
        ("test_its_draws_are_numbered_and_on_record", {"draws": lambda _: Draws("times", adaptive(1, 2))}, "a rule"),
        ("test_fewer_draws_are_a_part_of_more", {"run": _renumbering, "draws": _times}, "does not ask what it asks"),
        ("test_a_cap_that_ends_the_draws_leaves_what_there_is", {"draws": _times}, "does not count draws"),
        ("test_its_place_among_other_nodes_can_be_told", {"depth": lambda node: 3}, "a Depth or None"),
        ("test_its_place_among_other_nodes_can_be_told", {"most_parts": lambda node: 99}, "of 99"),
        ("test_an_answer_of_a_verified_kind_is_checked", {"verified": True}, "checked"),
        ("test_its_oracle_speaks_only_of_what_the_task_tells", {"oracle": _knowing}, "tells nothing"),
    ],
)
def test_what_is_not_so_is_caught(test: str, said: dict[str, Any], broken: str) -> None:
    with pytest.raises(AssertionError, match=broken):
        getattr(suite(replace(PLAIN, **said)), test)()


def test_an_oracle_that_makes_a_call_is_caught() -> None:
    with pytest.raises(CapReached):
        suite(replace(PLAIN, oracle=_asking)).test_its_oracle_speaks_only_of_what_the_task_tells()


def test_a_kind_whose_sources_are_read_together_may_not_say_that_it_asks_of_each() -> None:
    with pytest.raises(AssertionError, match="two sources"):
        suite(
            replace(PLAIN, asks_per_source=True, run=_reading)
        ).test_what_it_asks_of_one_source_does_not_depend_on_another()


def test_a_bench_says_where_a_kind_has_no_oracle() -> None:
    bench = NodeBench([ScriptedModel(lambda _: "")], [PLAIN])
    with pytest.raises(UsageError, match="'twice' has no oracle"):
        bench.oracle(Twice(), suite(PLAIN).inputs(), lambda task, answer: 0.0)
