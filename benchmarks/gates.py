"""Searching only where it is needed, with the embedded models, on two sets of questions; and which gates studies keep.

`mixed`: half of the questions are chains of operations, which thinking answers and a search spoils; the other half ask
who is in which room, which only a search can find out. `retrieval`: all ask that, in one wording and with as many given
passages; half are answered by these, the others take three hops of search. Three plans of one graph are measured on
each: never search, always, and where the gate opens. Then studies are run, each with a seed of its own, and what is
counted is whether the chosen plan has the gate, at the same spend: where its signal is worth keeping, and where the
model's confidence is replaced by noise, drawn anew for each study, and says nothing. Last, what one study reports of
its gate.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from apportion import Cap, Graph, Pool, Task, load_pocket_models, optimize
from apportion.budgets.books import MemoryStore
from apportion.graphs.plan import Plan
from apportion.graphs.run import Runner
from apportion.models.base import Model
from apportion.optimizers.arrays import Floats
from apportion.optimizers.bootstrap import mean_interval
from apportion.optimizers.study.report import StudyReport
from apportion.tasks.metrics import resolve_metric

from .gated import (
    LARGE,
    READER,
    SEARCHER,
    SEED,
    SMALL,
    Noisy,
    Remembered,
    handed_on,
    mixed,
    read_or_search,
    read_or_search_supported,
    retrieval,
    think_or_search,
)

_EACH_TOKENS = {"mixed": 400.0, "retrieval": 900.0}
"""Of the cap and of the spend of a study, by question."""
_SURE = 0.975
"""The reader's own confidence below which a search is worth most on `retrieval`, of those that were tried."""


@dataclass(frozen=True, slots=True)
class World:
    """A graph whose gate is to be kept or not, and what it is asked."""

    name: str
    questions: str
    graph: Graph
    asked: Sequence[Task]
    models: Callable[[int], Sequence[Model]]
    """From the seed of a study, which noise is drawn from."""
    keep: bool


def worlds(each: int, models: Mapping[str, Model]) -> list[World]:
    """Two sets of questions, with a signal that says something and one that does not."""
    one, two = mixed(each, SEED), retrieval(_searched(each))
    chains = mixed(2 * each, SEED, hops=(), steps=(4, 6))
    return [
        World("confidence", "mixed", think_or_search(), one, lambda _: [models[LARGE], models[SEARCHER]], keep=True),
        World(
            "noise", "mixed", handed_on(), chains, lambda seed: [Noisy(models[SMALL], seed), models[LARGE]], keep=False
        ),
        World("support", "retrieval", read_or_search_supported(), two, lambda _: [models[READER]], keep=True),
        World(
            "noise", "retrieval", read_or_search(0.5, 0.25), two, lambda seed: [Noisy(models[READER], seed)], keep=False
        ),
    ]


def _searched(each: int) -> int:
    """Of `retrieval` so many more that its validation part tells plans apart, up to all that one corpus has."""
    return min(100, 3 * each)


async def measured(graph: Graph, plan: Plan, asked: Sequence[Task], pool: Pool) -> tuple[Floats, Floats]:
    """Scores and tokens, by question."""
    scorer = resolve_metric("auto")
    async with Runner(graph, pool, MemoryStore()) as runner:
        results = [await runner.run(task, plan, metric=scorer, engine="direct") for task in asked]
    scores, costs = [result.score or 0.0 for result in results], [result.charged.tokens for result in results]
    return np.array(scores, np.float64), np.array(costs, np.float64)


def three_plans(graph: Graph, threshold: float, asked: Sequence[Task], pool: Pool) -> None:
    """Prints what never, always and gated searching score and cost."""
    space = graph.space(pool)
    (knob,) = (name for name in space.knobs if name.endswith(".when"))
    plans = {
        "never search": space.plan(edges=[]),
        "always search": space.plan({knob: None}),
        f"{knob.removesuffix('.when')} below {threshold:g}": space.plan({knob: threshold}),
    }
    found = {name: asyncio.run(measured(graph, plan, asked, pool)) for name, plan in plans.items()}
    *_, (gated, _) = found.values()
    for name, (scores, costs) in found.items():
        ahead = mean_interval(gated - scores)
        behind = "" if scores is gated else f", gated {ahead.mean:+.3f} ({ahead.low:+.3f} to {ahead.high:+.3f})"
        print(f"  {name:28} {scores.mean():.3f} @ {costs.mean():.0f} tokens{behind}", flush=True)


def study(world: World, seed: int) -> StudyReport:
    """A study of a world, with the cap and the spend of its questions."""
    total = _EACH_TOKENS[world.questions] * len(world.asked)
    return optimize(
        world.graph, world.asked, Pool(world.models(seed)), cap=Cap(total=total), spend=total, seed=seed, policies=()
    )


def kept(report: StudyReport) -> bool:
    """Whether the chosen plan has its gate, and not always open."""
    best = report.best
    return best is not None and any(name.endswith(".when") and value for name, value in best.plan["values"].items())


def told(report: StudyReport) -> str:
    """What a study says of its gate."""
    lines = []
    for gate in report.gates:
        differences = [
            f"{name} {value.mean:+.3g} ({value.low:+.3g} to {value.high:+.3g})"
            for name in ("brought", "saved", "lost")
            if (value := getattr(gate, name)) is not None
        ]
        lines.append(
            f"  {gate.edge} {gate.signal} {gate.opens}, open {gate.opened} of {gate.runs}; on {gate.n} questions "
            f"{', '.join(differences)} {gate.untold}"
        )
    return "\n".join(lines) or "  no gate"


def main() -> None:
    """Prints the plans, how often gates were kept, and what a study reports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--each", type=int, default=38, help="questions of a family and difficulty")
    given = parser.parse_args()
    models: dict[str, Model] = {model.card.name: Remembered(model) for model in load_pocket_models()}
    pool = Pool(models.values())
    made = worlds(given.each, models)
    for world in made:
        if world.keep:
            print(f"{world.questions}: {len(world.asked)} questions", flush=True)
            three_plans(world.graph, 0.95 if world.questions == "mixed" else 1.0, world.asked, pool)
    three_plans(read_or_search(_SURE), _SURE, retrieval(_searched(given.each)), pool)
    for world in made:
        reports = [study(world, seed) for seed in range(given.seeds)]
        count = sum(map(kept, reports))
        what = f"kept in {count}" if world.keep else f"dropped in {given.seeds - count}"
        print(f"{world.questions}, {world.name}: {what} of {given.seeds} studies", flush=True)
        print(told(reports[0]), flush=True)


if __name__ == "__main__":
    main()
