"""Composites through a graph: split into parts, each part worked step by step, merged; all by the same model."""

from __future__ import annotations

import asyncio

from apportion.budgets.books import MemoryStore
from apportion.budgets.cap import in_unit
from apportion.graphs.graph import Graph
from apportion.graphs.run import Runner
from apportion.models.pool import Pool
from apportion.nodes.decomposer import Decomposer
from apportion.nodes.merger import Merger
from apportion.nodes.solver import Solver
from apportion.tasks.families import FAMILIES
from apportion.tasks.metrics import score

from .asking import Bench, Cell

__all__ = ["composing"]


async def composing(bench: Bench) -> list[Cell]:
    """Right answers by the number of brackets; the tokens are all that the graph was charged, prompts included."""
    graph = Graph("composing")
    graph.add("split", Decomposer(max_parts=8))
    graph.add("part", Solver(style="think"))
    graph.add("merge", Merger())
    graph.each("split", "part", "merge")
    cells = []
    async with Runner(graph, Pool([bench.model]), MemoryStore()) as runner:
        plan = runner.space.default()
        for difficulty in FAMILIES["composites"].difficulties:
            tasks = bench.tasks("composites", difficulty)
            results = await asyncio.gather(*(runner.run(task, plan, metric=score, engine="direct") for task in tasks))
            right = sum(result.score or 0.0 for result in results) / len(tasks)
            charged = sum(in_unit(result.charged, "tokens") for result in results) / len(tasks)
            cells.append(Cell("composites", "split, solve, merge", str(difficulty), right, len(tasks), charged))
    return cells
