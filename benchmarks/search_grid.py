"""The grid of the search benchmark: every plan of one graph on every task, with the calls that each run makes.

It is measured once on the embedded models, by the engine of the search, and kept in `benchmarks/cache/`. From it any
search can be replayed at no cost, with what it would have paid: equal requests have one key, and a key is paid once.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

from apportion.budgets.books import MemoryStore
from apportion.graphs.graph import Graph
from apportion.graphs.plan import Plan
from apportion.graphs.run import Runner
from apportion.graphs.space import Space
from apportion.models.pocket import load_pocket_models
from apportion.models.pool import Pool
from apportion.models.request import Reply, Request
from apportion.nodes.base import Context, Inputs, Kind
from apportion.nodes.decomposer import Decomposer
from apportion.nodes.kinds import KINDS
from apportion.nodes.knob import choose
from apportion.nodes.merger import Merger
from apportion.nodes.retrieval import PassageIndex
from apportion.nodes.search import Search
from apportion.nodes.solver import Solver
from apportion.nodes.verifier import Verifier
from apportion.optimizers.arrays import Floats
from apportion.records.message import Message
from apportion.records.rows import TaskRow, TraceRow
from apportion.records.task import Task
from apportion.tasks.families import corpus, generate
from apportion.tasks.metrics import resolve_metric

__all__ = ["Grid", "load_grid"]

_FOLDER = Path(__file__).resolve().parent / "cache"
_SEEDS = {"published": 11, "development": 23}
_OUTPUT_TOKENS = 96
_DIFFICULTIES: Mapping[str, tuple[int, ...]] = {
    "chains": (1, 2, 4, 6),
    "composites": (2, 3, 4),
    "hops": (1, 2, 3, 4),
    "extraction": (1, 3),
    "connectivity": (2, 4),
    "stock": (2, 3),
    "counting": (2,),
    "hanoi": (4,),
}
_TASKS = 8
"""Of each family and difficulty."""

Questions = Literal["published", "development"]


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """What every plan scores and costs on every task, and which calls it makes there."""

    space: Space
    plans: tuple[Plan, ...]
    families: tuple[str, ...]
    """Of the tasks, in the common order."""
    scores: Floats
    """(plans, tasks)."""
    costs: Floats
    """(plans, tasks), charged, in weighted tokens."""
    starts: NDArray[np.int64]
    """(plans * tasks + 1,): where in `calls` a run's distinct calls begin."""
    calls: NDArray[np.int32]
    """Numbers of calls."""
    prices: Floats
    """What each call costs, in weighted tokens."""

    numbers: Mapping[str, int]
    """Of the plans, by hash."""

    def runs(self, plan: int, start: int, stop: int) -> NDArray[np.int32]:
        """The calls of a plan on some tasks; those of one task are distinct."""
        first = plan * len(self.families)
        return self.calls[self.starts[first + start] : self.starts[first + stop]]

    @property
    def paid(self) -> float:
        """What measuring every plan on all tasks pays."""
        made = np.zeros(len(self.prices), bool)
        for plan in range(len(self.plans)):
            made[self.runs(plan, 0, len(self.families))] = True
        return float(self.prices[made].sum())


@cache
def _index(which: Questions) -> PassageIndex:
    return PassageIndex(corpus("hops", _SEEDS[which], part="demo"))


async def look_up(query: str, top_k: int) -> Sequence[str]:
    """Passages of the corpus that the published questions of the family `hops` are about."""
    return await _index("published").find(query, top_k)


async def look_up_for_development(query: str, top_k: int) -> Sequence[str]:
    """As `look_up`, of the questions for development."""
    return await _index("development").find(query, top_k)


def pipeline(which: Questions, kinds: Mapping[str, Kind[Any]] = KINDS) -> Graph:
    """The graph: a searcher, a solver, a decomposer with its parts, and a judge."""
    graph = Graph("grid", kinds=kinds)
    graph.add(
        "search",
        Search(
            retriever=look_up if which == "published" else look_up_for_development,
            model=choose("pocket-30k", "pocket-100k-reading", "pocket-800k"),
            rounds=choose(2, 5),
            top_k=4,
            max_output_tokens=16,
        ),
    )
    graph.add(
        "solve",
        Solver(style=choose("direct", "draft", "think"), samples=choose(1, 3), max_output_tokens=_OUTPUT_TOKENS),
    )
    graph.add("split", Decomposer(model="pocket-100k", max_parts=8, max_output_tokens=_OUTPUT_TOKENS))
    graph.add(
        "part",
        Solver(model=choose("pocket-30k", "pocket-100k-arithmetic", "pocket-800k"), max_output_tokens=_OUTPUT_TOKENS),
    )
    graph.add("merge", Merger(model="pocket-100k-arithmetic", max_output_tokens=_OUTPUT_TOKENS))
    graph.add(
        "judge",
        Verifier(method=choose("vote", "steps"), model="pocket-100k-arithmetic", max_output_tokens=_OUTPUT_TOKENS),
    )
    graph.each("split", "part", "merge")
    for name in ("search", "solve", "merge"):
        graph.connect(name, "judge", optional=True)
    return graph


def questions(which: Questions) -> list[Task]:
    """The tasks, in an order that mixes the families."""
    drawn = [
        task
        for family, difficulties in _DIFFICULTIES.items()
        for difficulty in difficulties
        for task in generate(family, _TASKS, _SEEDS[which], difficulty, part="demo")
    ]
    return sorted(drawn, key=lambda task: hashlib.sha256(task.task_id.encode()).hexdigest())


def load_grid(which: Questions = "published") -> Grid:
    """The grid for the embedded models as they are now; measures it where it is not in the cache.

    Args:
        which: the questions whose figures are published, or others of the same families, to try changes on.
    """
    models = load_pocket_models()
    pool = Pool(models)
    graph = pipeline(which)
    tasks = questions(which)
    content = json.dumps([graph.hash, [card.fingerprint for card in pool.cards], [task.task_id for task in tasks]])
    path = _FOLDER / f"search-{hashlib.sha256(content.encode()).hexdigest()[:12]}.npz"
    if not path.exists():
        _FOLDER.mkdir(exist_ok=True)
        asyncio.run(_measure(which, pool, tasks, path))
    with np.load(path) as stored:
        arrays = dict(stored)
    space = graph.space(pool)
    plans = tuple(space)
    return Grid(
        space=space,
        plans=plans,
        families=tuple(task.family for task in tasks),
        scores=arrays["scores"].astype(np.float64),
        costs=arrays["costs"] / 1e6,
        starts=arrays["starts"],
        calls=arrays["calls"],
        prices=arrays["prices"] / 1e6,
        numbers={plan.hash: number for number, plan in enumerate(plans)},
    )


async def _measure(which: Questions, pool: Pool, tasks: Sequence[Task], path: Path) -> None:
    graph = pipeline(which, MappingProxyType({name: _remembering(kind) for name, kind in KINDS.items()}))
    space = graph.space(pool)
    scorer = resolve_metric("auto")
    numbers: dict[str, int] = {}
    prices: list[int] = []
    scores = np.zeros((space.size, len(tasks)), np.float32)
    costs = np.zeros((space.size, len(tasks)), np.int64)
    counts: list[int] = []
    calls: list[int] = []

    async def one(runner: Runner, plan: Plan, task: Task) -> tuple[float, list[_Made]]:
        made: list[_Made] = []
        _MADE.set(made)
        result = await runner.run(task, plan, metric=scorer, engine="direct")
        return result.score or 0.0, made

    started = told = time.perf_counter()
    async with Runner(graph, pool, _Replies()) as runner:
        for number, plan in enumerate(space):
            runs = await asyncio.gather(*(one(runner, plan, task) for task in tasks))
            for place, (score, made) in enumerate(runs):
                scores[number, place], costs[number, place] = score, sum(call.price for call in made)
                for call in made:
                    if call.key not in numbers:
                        numbers[call.key] = len(prices)
                        prices.append(call.price)
                distinct = {numbers[call.key] for call in made}
                counts.append(len(distinct))
                calls += sorted(distinct)
            if time.perf_counter() - told > 20:
                told = time.perf_counter()
                print(f"  {number + 1:,} of {space.size:,} plans in {told - started:,.0f} s", flush=True)
    np.savez_compressed(
        path,
        scores=scores,
        costs=costs,
        starts=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        calls=np.array(calls, np.int32),
        prices=np.array(prices, np.int64),
    )


class _Replies(MemoryStore):
    """Remembers replies and no traces, of which there would be millions."""

    def record(self, row: TraceRow) -> None:
        """Keeps tasks alone."""
        if isinstance(row, TaskRow):
            super().record(row)


@dataclass(frozen=True, slots=True)
class _Made:
    """A call that a run made."""

    key: str
    price: int
    """In millionths of a weighted token."""


_MADE: ContextVar[list[_Made]] = ContextVar("made")
"""Where the run in progress notes its calls."""


class _Noting:
    """A node's context that notes the calls."""

    def __init__(self, inner: Context, made: list[_Made]) -> None:
        self._inner = inner
        self._made = made

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def call(self, request: Request) -> Reply:
        """As the context's own."""
        reply = await self._inner.call(request)
        card = self._inner.card(request.model)
        if reply.usage is None:
            raise AssertionError("the embedded models count their tokens")
        self._made.append(_Made(request.key(card.fingerprint), card.charge(reply.usage).weighted))
        return reply


def _remembering(kind: Kind[Any]) -> Kind[Any]:
    """The kind, running each node once for the same settings and inputs: what it says and calls depends on no more."""
    known: dict[Any, tuple[Message, list[_Made]]] = {}
    settings: dict[int, tuple[Any, str]] = {}

    async def run(node: Any, inputs: Inputs, context: Context) -> Message:
        if id(node) not in settings:
            settings[id(node)] = (node, json.dumps(node.canonical(), sort_keys=True))
        messages = tuple(inputs.messages.items())
        key = (settings[id(node)][1], id(inputs.task), inputs.question, messages, inputs.round, inputs.previous)
        if key not in known:
            made: list[_Made] = []
            noting: Any = _Noting(context, made)
            known[key] = (await kind.run(node, inputs, noting), made)
        message, calls = known[key]
        _MADE.get().extend(calls)
        return message

    return replace(kind, run=run)
