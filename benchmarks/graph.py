"""What a node costs beside LangGraph itself: ledger, cache key and trace row included, with a model that does nothing.

The same graph runs on bare LangGraph, with an in-memory store, and with a SQLite store whose ledger waits for the
disk. Each figure is microseconds per node, the best of several rounds in which the three take turns; the ratio is
that of the best rounds. Goals: at most 1.3 in memory at 1, 100 and 1,000 runs at once, and 1.5 in the store at 100.

Then 300 tasks under 50 plans, all replies from the cache, on LangGraph and on the engine of the search. Goal: 5,000
nodes/s per process.

Run it with `python -m benchmarks.graph [--quick]`.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar, TypedDict

from langgraph.graph import START, StateGraph

from apportion.budgets.books import MemoryStore
from apportion.graphs.graph import Graph
from apportion.graphs.result import Engine
from apportion.graphs.run import Runner
from apportion.models.card import ModelCard
from apportion.models.pool import Pool
from apportion.models.request import ChatMessage, Reply, Request
from apportion.nodes.base import Context, Inputs, Kind, Node
from apportion.nodes.kinds import kinds_with
from apportion.nodes.knob import Knob, choose
from apportion.records.message import Message
from apportion.records.protocols import StudyStore
from apportion.records.task import Task
from apportion.records.usage import Usage
from apportion.stores.opening import open_store

REPLY = Reply("42", "stop", Usage(20, 2))
Go = Callable[[int], Awaitable[None]]


class NoModel:
    """Answers at once."""

    card = ModelCard(name="none")

    async def complete(self, request: Request) -> Reply:
        """Does nothing."""
        return REPLY

    def count_tokens(self, messages: Sequence[ChatMessage]) -> int | None:
        """Not known."""
        return None

    async def aclose(self) -> None:
        """Holds nothing."""


class Ask(Node):
    """Makes one call."""

    kind: ClassVar[str] = "ask"

    salt: Knob[int] = 0


def request_of(name: str, question: str, read: Sequence[str], salt: int = 0) -> Request:
    """A small prompt that no other node or run has."""
    return Request("none", (ChatMessage("user", f"{question} {name} {salt}: {' '.join(read)}"),), 16)


async def _ask(node: Ask, inputs: Inputs, context: Context) -> Message:
    read = [message.answer for message in inputs.messages.values()]
    reply = await context.call(request_of(context.node, inputs.question, read, node.salt))
    return Message(answer=reply.text)


KINDS = kinds_with(Kind(config=Ask, run=_ask, worst_case=lambda *_: ()))
Shape = dict[str, tuple[str, ...]]
CHAIN: Shape = {f"n{i}": (f"n{i - 1}",) if i else () for i in range(5)}
FAN: Shape = {**{f"n{i}": () for i in range(10)}, "last": tuple(f"n{i}" for i in range(10))}


def ours(shape: Shape, salts: int = 1) -> Graph:
    """The shape as a graph of ours; with several salts it has as many plans that differ in every prompt."""
    graph = Graph("bench", kinds=KINDS)
    for name in shape:
        graph.add(name, Ask(salt=choose(*range(salts)) if salts > 1 and name == "n0" else 0))
    for name, sources in shape.items():
        for source in sources:
            graph.connect(source, name)
    return graph


def bare(shape: Shape) -> Go:
    """The shape on LangGraph alone, its nodes calling the same model with the same prompts."""
    make: Any = TypedDict
    state = make("State", {"question": str, **{f"{name} said": str for name in shape}}, total=False)
    built: StateGraph[Any, Any, Any, Any] = StateGraph(state)
    model = NoModel()

    def node(name: str, sources: Sequence[str]) -> Any:
        async def step(state: Any) -> dict[str, str]:
            read = [state[f"{source} said"] for source in sources]
            reply = await model.complete(request_of(name, state["question"], read))
            return {f"{name} said": reply.text}

        return step

    for name, sources in shape.items():
        built.add_node(name, node(name, sources))
    for name, sources in shape.items():
        built.add_edge(list(sources) if len(sources) > 1 else (sources or (START,))[0], name)
    compiled = built.compile()

    async def go(number: int) -> None:
        await compiled.ainvoke({"question": f"question {number}"})

    return go


async def timed(go: Go, runs: int, at_once: int, nodes: int, first: int) -> float:
    """Microseconds per node."""
    gc.collect()
    gc.freeze()
    begin = time.perf_counter()
    for start in range(first, first + runs, at_once):
        if at_once == 1:
            await go(start)
        else:
            await asyncio.gather(*(go(number) for number in range(start, start + at_once)))
    seconds = time.perf_counter() - begin
    gc.unfreeze()
    return 1e6 * seconds / (runs * nodes)


async def compare(label: str, shape: Shape, at_once: int, rounds: int, folder: Path) -> None:
    """Prints one line of the table."""
    runs = {1: 40, 100: 200}.get(at_once, at_once)
    tasks = [Task(question=f"question {number}") for number in range(3 * rounds * runs + 1)]
    best: dict[str, float] = {}
    number = 1
    with closing(open_store(folder / f"{label}-{at_once}.db", durable=True)) as store:
        stores: dict[str, StudyStore] = {"memory": MemoryStore(), "store": store}
        async with Runner(ours(shape), POOL, stores["memory"]) as a, Runner(ours(shape), POOL, store) as b:

            def through(runner: Runner) -> Go:
                plan = runner.space.default()

                async def go(number: int) -> None:
                    await runner.run(tasks[number], plan)

                return go

            ways = {"bare": bare(shape), "memory": through(a), "store": through(b)}
            for go in ways.values():
                await go(0)
            for _ in range(rounds):
                for name, go in ways.items():
                    cost = await timed(go, runs, at_once, len(shape), number)
                    number += runs
                    best[name] = min(cost, best.get(name, cost))
    ratios = {name: cost / best["bare"] for name, cost in best.items()}
    print(
        f"{label:10} {at_once:5} at once   bare {best['bare']:5.0f}   memory {best['memory']:5.0f} "
        f"({ratios['memory']:.2f}x)   store, FULL {best['store']:5.0f} ({ratios['store']:.2f}x)",
        flush=True,
    )


async def cached(tasks: int, plans: int, engine: Engine) -> None:
    """Prints how many nodes of which every reply is known run in a second."""
    store = MemoryStore()
    asked = [Task(question=f"question {number}") for number in range(tasks)]
    for label in ("calls ", "cached"):
        async with Runner(ours(CHAIN, plans), POOL, store) as runner:
            gc.collect()
            gc.freeze()
            begin = time.perf_counter()
            for plan in runner.space:
                await asyncio.gather(*(runner.run(task, plan, engine=engine) for task in asked))
            seconds = time.perf_counter() - begin
            gc.unfreeze()
        rate = tasks * plans * len(CHAIN) / seconds
        print(
            f"{tasks} tasks x {plans} plans, {engine}, {label} {rate:7,.0f} nodes/s   ({1e6 / rate:.0f} us per node)",
            flush=True,
        )


POOL = Pool([NoModel()])


async def main(quick: bool) -> None:
    """Runs all of it."""
    rounds = 2 if quick else 5
    with tempfile.TemporaryDirectory() as folder:
        for label, shape in (("chain of 5", CHAIN), ("fan of 10", FAN)):
            for at_once in (1, 100, 1000):
                await compare(label, shape, at_once, rounds if at_once < 1000 else min(rounds, 3), Path(folder))
    engines: tuple[Engine, ...] = ("langgraph", "direct")
    for engine in engines:
        await cached(60 if quick else 300, 10 if quick else 50, engine)


if __name__ == "__main__":
    asyncio.run(main("--quick" in sys.argv[1:]))
