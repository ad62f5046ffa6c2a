from __future__ import annotations

import asyncio
import random
from typing import Any, ClassVar

import pytest

from apportion.budgets.books import MemoryStore
from apportion.budgets.cap import Cap
from apportion.errors import Infeasible
from apportion.graphs.bounds import Bounds, cheapest_bound, check_feasible, worst_case
from apportion.graphs.finishing import direct_call
from apportion.graphs.graph import Graph
from apportion.graphs.result import Result
from apportion.graphs.run import Runner
from apportion.models.card import ModelCard
from apportion.models.pool import Pool
from apportion.models.request import ChatMessage, Request
from apportion.nodes.base import CallBound, Context, Incoming, Inputs, Kind, Node, Speakers
from apportion.nodes.decomposer import Decomposer
from apportion.nodes.kinds import kinds_with
from apportion.nodes.knob import adaptive, choose
from apportion.nodes.merger import Merger
from apportion.nodes.prompts import dialect_named
from apportion.nodes.prompts.base import Ask
from apportion.nodes.solver import Solver
from apportion.nodes.verifier import Verifier
from apportion.records.message import Message, MessageSize, Part
from apportion.records.task import Task
from apportion.testing.scripted import ScriptedModel

TASK = Task(question="what is 6 * 7?", gold="42", context=("six is 6",))


def longest(request: Request) -> str:
    """Uses every token that it may."""
    return ("Answer: 42\n" + "y" * 10_000)[: request.max_output_tokens]


def pool(**card: Any) -> Pool:
    return Pool(
        [
            ScriptedModel(longest, name="small", card=ModelCard(name="small", attempts=1, weight=1.0, **card)),
            ScriptedModel(longest, name="large", card=ModelCard(name="large", attempts=1, weight=9.0, **card)),
        ]
    )


def checked() -> Graph:
    graph = Graph("checked")
    graph.add("solve", Solver(style=choose("think", "direct"), max_output_tokens=choose(64, 32), samples=choose(3, 1)))
    graph.add("check", Verifier(method=choose("score", "vote"), max_output_tokens=16)).connect("solve", "check")
    return graph.loop("check", "solve", rounds=choose(3, adaptive(1, 2), 1))


def divided() -> Graph:
    graph = Graph("divided")
    graph.add("split", Decomposer(max_parts=choose(4, 2), max_output_tokens=64)).add(
        "part", Solver(max_output_tokens=32)
    )
    graph.add("merge", Merger(max_output_tokens=32))
    return graph.each("split", "part", "merge")


@pytest.mark.parametrize("graph", [checked(), divided()])
def test_no_run_charges_more_than_its_bound(graph: Graph) -> None:
    """With a model that writes as much as it may, under random plans."""
    models = pool()
    generator = random.Random(2)

    async def main() -> list[tuple[Result, int]]:
        async with Runner(graph, models, MemoryStore()) as runner:
            plans = [runner.space.sample(generator) for _ in range(25)]
            return [
                (await runner.run(TASK, plan), worst_case(graph, plan, TASK, models).total.tokens) for plan in plans
            ]

    for result, bound in asyncio.run(main()):
        assert 0 < result.charged.tokens <= bound


class Greedy(Node):
    """Reads all that comes in, in two calls, says as much as it can, and never accepts."""

    kind: ClassVar[str] = "greedy"

    pieces: int = 3


async def _greedy(node: Greedy, inputs: Inputs, context: Context) -> Message:
    messages = [*inputs.messages.values(), *filter(None, [inputs.previous])]
    read = [message.text for message in messages]
    read += [candidate.text for message in messages for candidate in message.candidates]
    read += [part.question for message in messages for part in message.parts]
    text = inputs.question + "".join(read)
    for sample in range(2):
        await context.call(Request("small", (ChatMessage("user", text),), 8, sample=2 * inputs.round + sample))
    parts = tuple(Part(f"p{number}", f"{number}" * 300) for number in range(node.pieces))
    said = f"{context.node} {inputs.round} "
    text = said + "t" * (_TEXT - len(said))
    return Message(text=text, parts=parts if context.node == "split" else (), accepted=False)


_TEXT = 5000


def _all_of_it(node: Greedy, ask: Ask, incoming: Incoming, speakers: Speakers) -> tuple[CallBound, ...]:
    sizes = [*incoming.sizes, *filter(None, [incoming.previous])]
    read = sum(size.text * max(1, size.candidates) + size.combine for size in sizes)
    return (CallBound("small", len(ask.question) + read, 1, 8, times=2),)


def _says(node: Greedy, ask: Ask, incoming: Incoming, speakers: Speakers) -> MessageSize:
    return MessageSize(answer=0, text=_TEXT, candidates=0)


@pytest.mark.parametrize("forward", ["full", "answer", "truncated"])
def test_a_graph_that_takes_all_it_can_gets_near_its_bound(forward: str) -> None:
    kind = Kind(config=Greedy, run=_greedy, worst_case=_all_of_it, writes=_says, most_parts=lambda node: node.pieces)
    graph = Graph("greedy", kinds=kinds_with(kind))
    for name in ("hint", "split", "part", "merge", "check"):
        graph.add(name, Greedy())
    graph.connect("hint", "split", forward=forward).each("split", "part", "merge").connect("hint", "part")
    graph.connect("merge", "check").loop("check", "split", rounds=adaptive(1, 3), forward=forward)
    models = pool()

    async def main() -> Result:
        async with Runner(graph, models, MemoryStore()) as runner:
            return await runner.run(Task(question="q" * 300), runner.space.default())

    charged = asyncio.run(main()).charged.tokens
    bound = worst_case(graph, graph.space(models).default(), Task(question="q" * 300), models).total.tokens
    assert 0.8 * bound < charged <= bound


def test_terms_are_named_and_add_up() -> None:
    graph, models = checked(), pool()
    plan = graph.space(models).plan({"check.method": "vote", "check->solve.rounds": 1, "solve.samples": 3})
    bound = worst_case(graph, plan, TASK, models)
    amounts = {term.name: term.amount.tokens for term in bound.terms}
    assert amounts["the output caps of node 'solve'"] == 3 * 64
    assert amounts["the prompts of node 'check'"] == 0
    _, allowance = direct_call(TASK, models, dialect_named, "tokens")
    assert amounts["the finishing allowance (see direct_output_tokens of the models)"] == allowance.tokens
    assert bound.total.tokens == sum(amounts.values())
    assert bound.largest("tokens") == "the prompts of node 'solve'"


def test_rounds_and_parts_multiply() -> None:
    models = pool()

    def outputs(graph: Graph, node: str, **values: Any) -> int:
        plan = graph.space(models).plan({name.replace("__", "."): value for name, value in values.items()})
        terms = worst_case(graph, plan, TASK, models).terms
        return next(term.amount.tokens for term in terms if term.name == f"the output caps of node {node!r}")

    assert outputs(divided(), "part", split__max_parts=4) == 4 * 32
    assert outputs(divided(), "part", split__max_parts=2) == 2 * 32
    graph = checked()
    space = graph.space(models)
    rounds = {
        str(value): worst_case(graph, space.plan({"check->solve.rounds": value, "solve.samples": 1}), TASK, models)
        for value in (3, adaptive(1, 2), 1)
    }
    found = [
        next(term.amount.tokens for term in bound.terms if term.name == "the output caps of node 'solve'")
        for bound in rounds.values()
    ]
    assert found == [3 * 64, 2 * 64, 64]


def test_a_prompt_is_never_billed_beyond_an_exact_context() -> None:
    long = Task(question="x" * 5_000)
    graph = Graph("one").add("solve", Solver(model="small", max_output_tokens=8))
    for models, expected in ((pool(context_tokens=300), 5_000), (pool(context_tokens=300, exact_tokenizer=True), 300)):
        bound = worst_case(graph, graph.space(models).default(), long, models)
        prompts = next(term.amount.tokens for term in bound.terms if term.name == "the prompts of node 'solve'")
        assert prompts == expected if models.card("small").exact_tokenizer else prompts > expected


@pytest.mark.parametrize("graph", [checked(), divided()])
@pytest.mark.parametrize("unit", ["tokens", "weighted"])
def test_the_cheapest_plan_is_found(graph: Graph, unit: Any) -> None:
    """Also where the space is lowered knob by knob instead of enumerated."""
    models = pool()
    space = graph.space(models)
    everything = min(worst_case(graph, plan, TASK, models, unit=unit).value(unit) for plan in space)
    assert cheapest_bound(space, TASK, models, unit).value(unit) == everything
    assert space.size > 64 or graph.name == "divided"


def test_a_cap_below_the_cheapest_plan() -> None:
    models = pool()
    space = checked().space(models)
    needed = cheapest_bound(space, TASK, models).total.tokens
    check_feasible(space, TASK, models, Cap(per_task=needed))
    check_feasible(space, TASK, models, Cap(total=needed))
    for cap in (Cap(per_task=needed - 1), Cap(total=needed - 1), Cap(per_task=needed, total=needed - 1)):
        with pytest.raises(Infeasible, match=f"needs {needed}") as caught:
            check_feasible(space, TASK, models, cap)
        assert (caught.value.min_cap, caught.value.unit) == (needed, "tokens")
    with pytest.raises(Infeasible, match="weighted"):
        check_feasible(space, TASK, models, Cap(per_task=needed / 2, unit="weighted"))


def test_the_largest_call_and_the_allowance_are_what_a_run_needs_beside_its_cost() -> None:
    models = pool()
    graph = Graph("parts of a bound")
    graph.add("solve", Solver(model="large", samples=3, max_output_tokens=100))
    bound = worst_case(graph, graph.space(models).default(), TASK, models)
    calls = bound.total - bound.allowance
    assert bound.call.tokens * 3 == calls.tokens
    assert 0 < bound.allowance.tokens < bound.call.tokens
    assert Bounds(graph.space(models)).of(bound.plan, TASK) == bound


def test_extra_fields_of_every_request_are_part_of_the_bound_of_a_plan() -> None:
    graph = Graph("one").add("solve", Solver(model="small", samples=3, max_output_tokens=16))
    plain, extra = (pool(**card) for card in ({}, {"extra_body": {"top_p": 0.9}}))
    task = Task(question="q")
    costs = [worst_case(graph, graph.space(each).default(), task, each).total.tokens for each in (plain, extra)]
    assert costs[1] == costs[0] + (3 + 1) * len('{"top_p":0.9}')  # its samples, and the finishing allowance
