"""A node kind that says what it read, node kinds from functions, and a pool of two scripted models."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

import pytest

from apportion.budgets.books import MemoryStore
from apportion.graphs.graph import Graph
from apportion.graphs.result import Result
from apportion.graphs.run import Runner
from apportion.models.card import ModelCard
from apportion.models.pool import Pool
from apportion.models.request import ChatMessage, Reply, Request
from apportion.nodes.base import CallBound, Context, Inputs, Kind, Node
from apportion.nodes.kinds import kinds_with
from apportion.nodes.knob import ANY_MODEL, Knob, ModelKnob, adaptive, choose
from apportion.records.message import Message
from apportion.records.rows import SpanRow
from apportion.records.task import Task
from apportion.testing.scripted import ScriptedModel


class Echo(Node):
    """Answers with its name and what it read; calls no model."""

    kind: ClassVar[str] = "echo"

    model: ModelKnob = ANY_MODEL
    width: Knob[int] = 1


async def _echo(node: Echo, inputs: Inputs, context: Context) -> Message:
    read = ",".join(f"{name}={message.answer}" for name, message in inputs.messages.items())
    return Message(answer=f"{context.node}({read})")


def _say(request: Request) -> str:
    return "said"


KIND = Kind(config=Echo, run=_echo, worst_case=lambda *_: (CallBound("small", 10, 1, 5),))


@pytest.fixture
def kinds() -> Any:
    return kinds_with(KIND)


@pytest.fixture
def echo() -> type[Echo]:
    return Echo


@pytest.fixture
def pool() -> Pool:
    return Pool([ScriptedModel(_say, name="small"), ScriptedModel(_say, name="large")])


@pytest.fixture
def made_of() -> Callable[..., tuple[type[Node], Any]]:
    """Makes a node class and the table of kinds with it, from the code that the node is to run."""

    def make(run: Callable[[Any, Inputs, Context], Awaitable[Message]], *bounds: CallBound) -> tuple[type[Node], Any]:
        return Echo, kinds_with(Kind(config=Echo, run=run, worst_case=lambda *_: bounds))

    return make


class Bench:
    """Small graphs, a node that makes a call, and a way to run them once."""

    task = Task(question="what is 6 * 7?", gold="42")

    @staticmethod
    def ask(text: str, tokens: int = 20, sample: int = 0) -> Request:
        return Request("small", (ChatMessage("user", text),), tokens, sample=sample)

    @staticmethod
    async def answer(_: Any, inputs: Inputs, context: Context) -> Message:
        reply = await context.call(Bench.ask(f"{context.node} {inputs.question}"))
        return Message(answer=reply.text)

    @staticmethod
    def right(task: Task, said: str) -> float:
        return float(said == task.gold)

    @staticmethod
    def one_model(script: Callable[[Request], str | Reply] = lambda request: "42", **card: Any) -> Pool:
        return Pool([ScriptedModel(script, name="small", card=ModelCard(name="small", attempts=1, **card))])

    @staticmethod
    def fan(made: tuple[type[Any], Any], width: int) -> Graph:
        node, kinds = made
        graph = Graph("fan", kinds=kinds)
        for number in range(width):
            graph.add(f"n{number}", node(model="small"))
        graph.add("last", node(model="small"))
        for number in range(width):
            graph.connect(f"n{number}", "last")
        return graph

    @staticmethod
    def chain(made: tuple[type[Any], Any], *names: str) -> Graph:
        node, kinds = made
        graph = Graph("chain", kinds=kinds)
        for name in names:
            graph.add(name, node(model="small"))
        for source, target in itertools.pairwise(names):
            graph.connect(source, target)
        return graph

    @staticmethod
    def run(graph: Graph, pool: Pool, store: MemoryStore, task: Task = task, **settings: Any) -> Result:
        async def main() -> Result:
            async with Runner(graph, pool, store) as runner:
                return await runner.run(task, runner.space.default(), **settings)

        return asyncio.run(main())

    @staticmethod
    def spans(store: MemoryStore, result: Result) -> dict[str, SpanRow]:
        return {span.node: span for span in store.spans(result.run_id)}


@pytest.fixture
def bench() -> type[Bench]:
    return Bench


@pytest.fixture
def wide(kinds: Any, echo: Any) -> Graph:
    graph = Graph('a <b> & "c"', kinds=kinds)
    graph.add("ask", echo(width=choose(1, 2)))
    for name in ("solve", "check", "split", "part", "merge", "vote"):
        graph.add(name, echo(model="<&>" if name == "vote" else "small"))
    graph.connect("ask", "solve", optional=True, forward=choose("full", "answer")).start("solve")
    graph.connect("solve", "check").connect("check", "vote").connect("ask", "vote", optional=True)
    graph.each("split", "part", "merge").connect("merge", "vote", optional=True)
    return graph.loop("check", "solve", rounds=choose(1, adaptive(1, 4)))
