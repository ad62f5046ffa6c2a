"""`python -m benchmarks repetition`: one chain of search against several that vote, with the embedded models.

Questions of two hops go to the smallest model: one chain, four that vote, and up to four until a stop rule is content
or with red flags. Questions of three hops go to a searcher and a reader of what it found, with rounds and chains in all
combinations. Of each: the score with its 95 % interval, the share that was answered, and what a question is charged.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from typing import Any

from apportion import Graph, Pool, Search, Solver, Task, adaptive, generate, load_pocket_models
from apportion.budgets.books import MemoryStore
from apportion.graphs.run import Runner
from apportion.optimizers.bootstrap import mean_interval
from apportion.tasks.metric_numeric import numeric

from .gated import READER, SEED, SMALL, look_up


def searched(model: str, **settings: Any) -> Graph:
    """A search that answers."""
    known = {"retriever": look_up, "model": model, "rounds": 4, "top_k": 2, "max_output_tokens": 16, "temperature": 0.7}
    return Graph("search").add("search", Search.model_validate({**known, **settings}))


def read(**settings: Any) -> Graph:
    """A reader behind a search."""
    reader = Solver(model=READER, style="direct", temperature=0.0, max_output_tokens=16)
    return searched(READER, **settings).add("read", reader).connect("search", "read")


async def measured(graph: Graph, tasks: Sequence[Task], pool: Pool, store: MemoryStore) -> str:
    """Score, share answered and tokens a question, as a line."""
    async with Runner(graph, pool, store) as runner:
        plan = runner.space.default()
        found = await asyncio.gather(*(runner.run(task, plan, engine="direct", metric=numeric) for task in tasks))
    score = mean_interval([result.score or 0.0 for result in found], seed=SEED)
    answered = sum(not result.status.failed for result in found) / len(found)
    tokens = sum(result.charged.tokens for result in found) / len(found)
    return f"{score.mean:.2f} ({score.low:.2f} to {score.high:.2f}), {answered:.0%} answered @ {tokens:,.0f} tokens"


def main() -> None:
    """Prints both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=80, help="questions of a difficulty; there are 100")
    given = parser.parse_args()
    pool, store = Pool(load_pocket_models()), MemoryStore()
    ways: dict[str, dict[str, Any]] = {
        "1 chain": {},
        "4 chains": {"samples": 4},
        "1 to 4 chains, agree_2": {"samples": adaptive(1, 4), "stop": "agree_2"},
        "1 to 4 chains, beta": {"samples": adaptive(1, 4)},
        "1 chain, drawn anew where unread": {"red_flags": ("unread",), "redraws": 3},
        "4 chains, drawn anew where unread": {"samples": 4, "red_flags": ("unread",), "redraws": 4},
    }
    tasks = generate("hops", given.each, SEED, 2)
    print(f"{len(tasks)} questions of 2 hops, {SMALL} alone, 4 rounds")
    for name, settings in ways.items():
        print(f"{name:34} {asyncio.run(measured(searched(SMALL, **settings), tasks, pool, store))}", flush=True)
    tasks = generate("hops", given.each, SEED, 3)
    print(f"{len(tasks)} questions of 3 hops, {READER} searches and {READER} reads")
    for rounds in (4, 6):
        for chains in (1, 4):
            line = asyncio.run(measured(read(rounds=rounds, samples=chains), tasks, pool, store))
            print(f"{f'{rounds} rounds, {chains} chains':34} {line}", flush=True)


if __name__ == "__main__":
    main()
