"""Searching only where the first answer is unsure, with the embedded models.

Half of the questions are chains of operations, which thinking answers and a search spoils; the other half ask who is
in which room, which only a search can find out. Three plans of one graph are measured: think alone, search always, and
search where the mean probability of the answer's tokens is below .95. Then studies are run, each with a seed of its
own, and what is counted is whether the chosen plan has the gate: on these questions, where it is worth keeping; and on
longer chains that a small model hands to a large one, where its confidence is replaced by noise and says nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace

from apportion import (
    Cap,
    Gate,
    Graph,
    Pool,
    Search,
    Solver,
    Task,
    Verifier,
    choose,
    generate,
    load_pocket_models,
    optimize,
)
from apportion.budgets.books import MemoryStore
from apportion.graphs.plan import Plan
from apportion.graphs.run import Runner
from apportion.models.base import Model
from apportion.models.card import ModelCard
from apportion.models.request import ChatMessage, Reply, Request
from apportion.nodes.retrieval import PassageIndex
from apportion.tasks.families import corpus
from apportion.tasks.metrics import resolve_metric

SMALL = "pocket-30k"
MODEL = "pocket-800k"
SEARCHER = "pocket-100k"
SEED = 11
INDEX = PassageIndex(corpus("hops", SEED))


async def look_up(query: str, top_k: int) -> Sequence[str]:
    """Passages by BM25."""
    return await INDEX.find(query, top_k)


class Noisy:
    """A model whose confidence says nothing: drawn from the request alone, evenly over probabilities."""

    def __init__(self, model: Model) -> None:
        self._model = model

    @property
    def card(self) -> ModelCard:
        """Of the model."""
        return self._model.card

    async def complete(self, request: Request) -> Reply:
        """The model's reply, with another log-probability."""
        reply = await self._model.complete(request)
        digest = hashlib.sha256(repr((request.messages, request.sample)).encode()).digest()
        share = (int.from_bytes(digest[:7]) + 1) / 2**56
        written = (math.log(share),) * len(reply.pieces)
        return replace(reply, mean_logprob=math.log(share), logprobs=written)

    def count_tokens(self, messages: Sequence[ChatMessage]) -> int | None:
        """As the model counts."""
        return self._model.count_tokens(messages)

    async def aclose(self) -> None:
        """Closes the model."""
        await self._model.aclose()


def graph() -> Graph:
    """Think; look up where the gate opens; the last answer stands."""
    made = Graph("gated").add("think", Solver(model=MODEL, temperature=0.0, max_output_tokens=64))
    made.add("search", Search(retriever=look_up, model=SEARCHER, rounds=4, top_k=2, max_output_tokens=16))
    made.add("pick", Verifier(method="last")).connect("think", "pick").connect("search", "pick")
    gate = Gate("confidence", below=choose(0.95, 0.8))
    return made.connect("think", "search", optional=True, when=gate, forward="none")


def handed_on() -> Graph:
    """A small model thinks; a large one where the gate opens; the last answer stands."""
    made = Graph("handed-on").add("small", Solver(model=SMALL, temperature=0.0, max_output_tokens=64))
    made.add("large", Solver(model=MODEL, temperature=0.0, max_output_tokens=64)).add("pick", Verifier(method="last"))
    gate = Gate("confidence", below=choose(0.8, 0.5))
    made.connect("small", "large", optional=True, when=gate, forward="none")
    return made.connect("small", "pick").connect("large", "pick")


def tasks(each: int, seed: int, hops: Sequence[int] = (1, 2), steps: Sequence[int] = (2, 4)) -> list[Task]:
    """So many questions of either family and difficulty."""
    made = [task for depth in hops for task in generate("hops", each, SEED, depth)]
    return made + [task for count in steps for task in generate("chains", each, seed, count)]


async def measured(plan: Plan, asked: Sequence[Task], pool: Pool) -> tuple[float, float]:
    """Mean score and mean tokens."""
    scorer = resolve_metric("auto")
    async with Runner(graph(), pool, MemoryStore()) as runner:
        results = [await runner.run(task, plan, metric=scorer, engine="direct") for task in asked]
    scores = [result.score or 0.0 for result in results]
    return sum(scores) / len(scores), sum(result.charged.tokens for result in results) / len(results)


def three_plans(asked: Sequence[Task]) -> None:
    """Prints what each plan scores and costs."""
    pool = Pool(load_pocket_models())
    space = graph().space(pool)
    plans = {
        "think alone": space.plan(edges=[]),
        "search always": space.plan({"think->search.when": None}),
        "search where unsure": space.plan({"think->search.when": 0.95}),
    }
    for name, plan in plans.items():
        score, cost = asyncio.run(measured(plan, asked, pool))
        print(f"{name:20} {score:.3f} @ {cost:.0f} tokens", flush=True)


def keeps(made: Graph, asked: Sequence[Task], models: Sequence[Model], spend: float, seed: int) -> bool:
    """Whether the chosen plan of a study has its gate, and not always open."""
    cap = Cap(total=400 * len(asked))
    best = optimize(made, asked, Pool(models), cap=cap, spend=spend, seed=seed, policies=()).best
    return best is not None and any(name.endswith(".when") and value for name, value in best.plan["values"].items())


def main() -> None:
    """Prints the three plans, and how often the gate was kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--each", type=int, default=38, help="questions of a family and difficulty")
    given = parser.parse_args()
    asked = tasks(given.each, SEED)
    print(f"{len(asked)} questions of hops and chains")
    three_plans(asked)
    models = {model.card.name: model for model in load_pocket_models()}
    spend, chains = 400.0 * len(asked), tasks(len(asked) // 2, SEED, hops=(), steps=(4, 6))
    worlds = {
        "useful gate kept": (graph(), asked, [models[MODEL], models[SEARCHER]]),
        "useless gate kept": (handed_on(), chains, [Noisy(models[SMALL]), models[MODEL]]),
    }
    for what, (made, some, pool) in worlds.items():
        kept = sum(keeps(made, some, pool, spend, seed) for seed in range(given.seeds))
        print(f"{what}: {kept} of {given.seeds} studies", flush=True)


if __name__ == "__main__":
    main()
