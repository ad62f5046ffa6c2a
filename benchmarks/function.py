"""What a function and a template cost beside a plain solver: chains of five nodes, with a model that does nothing.

Each figure is microseconds per node with a store in memory, the best of several rounds in which the ways take turns.
Goal: either at most 1.1 times the solver, at 1 and at 100 runs at once, on both engines.

Run it with `python -m benchmarks.function [--quick]`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack

from apportion.budgets.books import MemoryStore
from apportion.graphs.graph import Graph
from apportion.graphs.result import Engine
from apportion.graphs.run import Runner
from apportion.models.pool import Pool
from apportion.nodes.base import Node
from apportion.nodes.function import Function
from apportion.nodes.solver import Solver
from apportion.records.message import Message
from apportion.records.prompt import Prompt
from apportion.records.task import Task

from .graph import Go, NoModel, timed

NODES = 5
TEMPLATE = "Answer the question in one word.\n\n{question}\n\n{notes}\n{format}"
POOL = Pool([NoModel()])


def sync(question: str, inputs: Mapping[str, Message], task: Task) -> str:
    """Does nothing, in a thread."""
    return "42"


async def coroutine(question: str, inputs: Mapping[str, Message], task: Task) -> str:
    """Does nothing, in the loop."""
    return "42"


WAYS: dict[str, Node] = {
    "solver": Solver(model="none", style="direct", max_output_tokens=16),
    "template": Solver(model="none", style="direct", max_output_tokens=16, prompt=Prompt(TEMPLATE, name="own")),
    "function": Function(sync),
    "pure": Function(sync, pure=True),
    "async": Function(coroutine),
}


def chain(node: Node) -> Graph:
    """The node five times, one after another."""
    graph = Graph("bench")
    for number in range(NODES):
        graph.add(f"n{number}", node)
        if number:
            graph.connect(f"n{number - 1}", f"n{number}", forward="answer")
    return graph


async def compare(engine: Engine, at_once: int, rounds: int) -> None:
    """Prints one line of the table."""
    runs = max(40, 2 * at_once)
    tasks = [Task(question=f"question {number}") for number in range(len(WAYS) * rounds * runs + 1)]
    best: dict[str, float] = {}
    number = 1
    runners = {name: Runner(chain(node), POOL, MemoryStore()) for name, node in WAYS.items()}

    def through(runner: Runner) -> Go:
        plan = runner.space.default()

        async def go(number: int) -> None:
            await runner.run(tasks[number], plan, engine=engine)

        return go

    async with AsyncExitStack() as opened:
        for runner in runners.values():
            await opened.enter_async_context(runner)
        ways = {name: through(runner) for name, runner in runners.items()}
        for go in ways.values():
            await go(0)
        for _ in range(rounds):
            for name, go in ways.items():
                cost = await timed(go, runs, at_once, NODES, number)
                number += runs
                best[name] = min(cost, best.get(name, cost))
    solver = best.pop("solver")
    others = "   ".join(f"{name} {cost:5.0f} ({cost / solver:.2f}x)" for name, cost in best.items())
    print(f"{engine:10} {at_once:4} at once   solver {solver:5.0f}   {others}", flush=True)


async def main(quick: bool) -> None:
    """Runs all of it."""
    engines: tuple[Engine, ...] = ("langgraph", "direct")
    for engine in engines:
        for at_once in (1, 100):
            await compare(engine, at_once, 2 if quick else 5)


if __name__ == "__main__":
    asyncio.run(main("--quick" in sys.argv[1:]))
