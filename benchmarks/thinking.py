"""`python -m benchmarks thinking`: limits on thinking, on the largest embedded model.

Accuracy and mean charge under each limit, pooled over chains of 2, 4 and 6 operations; and how often two equal nodes
draw the same answer at temperature 0.7.
"""

from __future__ import annotations

import asyncio

from apportion import Graph, Pool, Solver, Task, Verifier, generate, load_pocket_models
from apportion.budgets.books import MemoryStore
from apportion.graphs.run import Runner
from apportion.tasks.metrics import exact

_LIMITS = (8, 14, 20, 32)
_MODEL = "pocket-800k"


async def limited(limit: int, tasks: list[Task], pool: Pool) -> tuple[float, float]:
    """(accuracy, mean charge in tokens)."""
    solver = Solver(model=_MODEL, style="think", thinking_tokens=limit, max_output_tokens=64, temperature=0.0)
    async with Runner(Graph("limited").add("solve", solver), pool, MemoryStore()) as runner:
        plan = runner.space.default()
        found = await asyncio.gather(*(runner.run(task, plan, engine="direct", metric=exact) for task in tasks))
    return sum(one.score or 0.0 for one in found) / len(found), sum(one.charged.tokens for one in found) / len(found)


async def equal_draws(tasks: list[Task], pool: Pool) -> tuple[float, float]:
    """How often two equal nodes say the same, and how often two samples of one node do."""
    graph = Graph("two")
    for name in ("one", "other"):
        graph.add(name, Solver(model="pocket-100k", style="think", max_output_tokens=64, samples=2))
    graph.add("vote", Verifier(method="vote")).connect("one", "vote").connect("other", "vote")
    store = MemoryStore()
    same = within = 0
    async with Runner(graph, pool, store) as runner:
        for task in tasks:
            result = await runner.run(task, runner.space.default(), engine="direct")
            spans = {span.node: span.span_id for span in store.spans(result.run_id)}
            said = {
                name: [c.output_text for c in store.calls(result.run_id) if c.span_id == spans[name]] for name in spans
            }
            same += said["one"][0] == said["other"][0]
            within += said["one"][0] == said["one"][1]
    return same / len(tasks), within / len(tasks)


def main() -> None:
    """Prints both."""
    pool = Pool(load_pocket_models())
    tasks = [task for steps in (2, 4, 6) for task in generate("chains", 67, seed=11, difficulty=steps)]
    print(f"{len(tasks)} questions\n{'limit':>6}{'accuracy':>10}{'charge':>8}")
    for limit in _LIMITS:
        accuracy, charge = asyncio.run(limited(limit, tasks, pool))
        print(f"{limit:>6}{accuracy:>10.3f}{charge:>8.1f}")
    between, within = asyncio.run(equal_draws(tasks[67:147], pool))
    print(f"the same reply: two equal nodes {between:.2f}, two samples of one node {within:.2f}")


if __name__ == "__main__":
    main()
