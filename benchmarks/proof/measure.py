"""Measuring: every plan on every question, block by block, each kept in a file as soon as it is done."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from apportion import Plan, Pool, Task
from apportion.budgets.cap import in_unit
from apportion.graphs.result import Result
from apportion.graphs.run import Runner
from apportion.models.pocket import load_pocket_model
from apportion.optimizers.arrays import Floats, Ints
from apportion.optimizers.tables.tabulate import tabulate
from apportion.records.answers import normal_form
from apportion.records.protocols import StudyStore
from apportion.tasks.metrics import AUTO, resolve_metric

from .pool import proof_graph
from .processes import in_processes
from .questions import World, passages_of

__all__ = ["ARRAYS", "Block", "Grid", "OpenStore", "blocks_of", "measure", "passages_for", "read_grid"]

OpenStore = Callable[[Path], StudyStore]

_VERSION = 2
"""Of the graph and of how it is measured; blocks of another version are measured anew."""
_BLOCK = 250
ARRAYS = ("scores", "weighted", "tokens", "sure", "answers", "abstained")
"""The fields of a grid."""


@dataclass(frozen=True, slots=True)
class Block:
    """Some questions under some plans, once."""

    folder: Path
    passages: Path
    models: tuple[str, ...]
    plans: tuple[str, ...]
    """As canonical JSON."""
    tasks: tuple[Task, ...]
    seed: int
    """0, or that of a further replicate."""
    key: str

    @property
    def path(self) -> Path:
        """Where its outcomes are kept."""
        return self.folder / f"{self.key}.npz"


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Outcomes of plans on questions."""

    scores: Floats
    """(questions, plans)."""
    weighted: Floats
    """(questions, plans): charged."""
    tokens: Floats
    """(questions, plans): charged."""
    sure: Floats
    """(questions, plans): how sure the final node was, NaN where it did not say."""
    answers: Ints
    """(questions, plans): equal numbers are one answer, -1 where there was none; the same in every block."""
    abstained: Floats
    """(questions, plans): 1 where the reply says that it has no answer."""


def passages_for(world: World, folder: Path) -> Path:
    """Writes the corpus of a world where it is not written yet."""
    text = "\n".join(passages_of(world)) + "\n"
    path = folder / f"passages-{world.seed}-{hashlib.sha256(text.encode()).hexdigest()[:8]}.txt"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    return path


def blocks_of(
    world: World, tasks: Sequence[Task], plans: Sequence[Plan], pool: Pool, folder: Path, *, seed: int = 0
) -> list[Block]:
    """Cuts questions of one world into blocks.

    Args:
        world: whose passages are searched.
        tasks: some of its questions.
        plans: of any proof graph; their knobs and edges count, not the file of the passages.
        pool: the models at hand.
        folder: where outcomes are kept.
        seed: of the replicate.
    """
    passages = passages_for(world, folder)
    contents = tuple(json.dumps({"values": dict(plan.values), "edges": plan.edges}, sort_keys=True) for plan in plans)
    used = sorted({value for plan in plans for name, value in plan.values.items() if name.endswith(".model")})
    found = []
    for begin in range(0, len(tasks), _BLOCK):
        part = tuple(tasks[begin : begin + _BLOCK])
        known = {
            "version": _VERSION,
            "passages": passages.name,
            "plans": contents,
            "tasks": [task.task_id for task in part],
            "models": [(model, pool.card(model).fingerprint, pool.card(model).weight) for model in used],
            "seed": seed,
        }
        key = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:20]
        found.append(Block(folder, passages, tuple(used), contents, part, seed, key))
    return found


def measure(blocks: Sequence[Block], open_store: OpenStore, *, processes: int, told: Callable[[str], None]) -> None:
    """Runs what is not kept yet, several blocks at a time.

    Args:
        blocks: what is wanted.
        open_store: opens the books of one block, a file that is deleted when the block is done; a function at the top
            of a module, because other processes call it.
        processes: how many blocks are run at a time.
        told: is told of each block that is done.
    """
    missing = list({block.key: block for block in blocks if not block.path.exists()}.values())
    for done, _ in enumerate(in_processes(partial(_measured, open_store), missing, processes), start=1):
        told(f"{done} of {len(missing)} blocks measured")


def read_grid(blocks: Sequence[Block]) -> Grid:
    """The outcomes of blocks that are done, one after the other."""
    kept = []
    for block in blocks:
        with np.load(block.path, allow_pickle=False) as arrays:
            kept.append({name: arrays[name] for name in ARRAYS})
    whole: dict[str, Any] = {name: np.concatenate([arrays[name] for arrays in kept]) for name in ARRAYS}
    return Grid(**{name: each if name == "answers" else each.astype(np.float64) for name, each in whole.items()})


def _measured(open_store: OpenStore, block: Block) -> None:
    """Runs a block and writes its file; what an earlier attempt settled is in its books."""
    books = block.folder / f"{block.key}.db"
    store = open_store(books)
    try:
        grid = asyncio.run(_run(block, store))
    finally:
        store.close()
    partial = block.path.with_suffix(".part.npz")
    small = {name: getattr(grid, name) for name in ARRAYS}
    np.savez_compressed(
        partial, **{name: each if name == "answers" else each.astype(np.float32) for name, each in small.items()}
    )
    partial.replace(block.path)
    for suffix in ("", "-wal", "-shm", ".lock"):
        Path(f"{books}{suffix}").unlink(missing_ok=True)


async def _run(block: Block, store: StudyStore) -> Grid:
    pool = Pool([load_pocket_model(model) for model in block.models])
    async with Runner(proof_graph(block.passages), pool, store) as runner:
        plans = [runner.space.plan(content["values"], content["edges"]) for content in map(json.loads, block.plans)]
        places = {plan.hash: number for number, plan in enumerate(plans)}
        rows = {task.task_id: number for number, task in enumerate(block.tasks)}
        shape = len(rows), len(plans)
        tokens, sure, abstained = np.zeros(shape), np.full(shape, np.nan), np.zeros(shape)
        answers = np.full(shape, -1, np.int64)

        def finished(result: Result) -> None:
            place = rows[result.task_id], places[result.plan_hash]
            tokens[place] = in_unit(result.charged, "tokens")
            if not result.status.failed:
                sure[place] = np.nan if result.confidence is None else result.confidence
                abstained[place] = result.abstained
                answers[place] = _numbered(result.answer)

        # Plan by plan, so that questions in progress at one time are to the same model, which answers them together.
        tables = [
            await tabulate(
                runner,
                [plan],
                block.tasks,
                resolve_metric(AUTO),
                seed=block.seed,
                unit="weighted",
                finished=finished,
            )
            for plan in plans
        ]
    scores, costs = (
        np.concatenate([getattr(table, name)[:, :, 0] for table in tables], axis=1) for name in ("scores", "costs")
    )
    return Grid(scores, costs, tokens, sure, answers, abstained)


def _numbered(answer: str | None) -> int:
    """A number that an answer has in every block, by its normal form; -1 for none."""
    if answer is None or not answer.strip():
        return -1
    return int.from_bytes(hashlib.blake2b(normal_form(answer).encode(), digest_size=8).digest()) >> 1
