from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from apportion.graphs.space import Space
from apportion.models.pocket import load_pocket_models
from apportion.models.pool import Pool
from apportion.records.protocols import StudyStore
from apportion.stores.opening import open_store
from benchmarks.proof.measure import blocks_of, measure, passages_for, read_grid
from benchmarks.proof.pool import candidate_plans, draws_at_random, pools_of, proof_graph
from benchmarks.proof.questions import ASKED, draw_worlds

_POOL = Pool([model for model in load_pocket_models() if model.card.name in ("pocket-30k", "pocket-100k")])


def _no_store(path: str | os.PathLike[str]) -> StudyStore:
    raise AssertionError(f"{path} was opened")


def _space(folder: Path) -> Space:
    (world,) = draw_worlds(len(ASKED), 3)
    return Space(proof_graph(passages_for(world, folder)), _POOL)


def test_plans_differ_and_cover_every_way_of_every_model(tmp_path: Path) -> None:
    plans = candidate_plans(_space(tmp_path), _POOL.names)
    assert len({plan.hash for plan in plans}) == len(plans) == 2 * 9 + 1
    used = [{value for name, value in plan.values.items() if name.endswith(".model")} for plan in plans]
    assert sum(models == {"pocket-30k"} for models in used) == 9
    assert sum(len(models) == 2 for models in used) == 1


def test_what_is_asked_at_temperature_0_has_no_replicates(tmp_path: Path) -> None:
    space = _space(tmp_path)
    for edges, random in ((("search->judge",), False), (("solve->judge",), True), (("merge->judge",), True)):
        assert draws_at_random(space.plan({}, edges), space) == random


def test_pools_have_two_models_at_the_least() -> None:
    assert pools_of(["pocket-30k", "pocket-100k", "pocket-100k-reading"]) == {
        "generalists": ("pocket-30k", "pocket-100k"),
        "mixed": ("pocket-30k", "pocket-100k", "pocket-100k-reading"),
    }


def test_blocks_are_measured_once_and_kept(tmp_path: Path) -> None:
    (world,) = draw_worlds(len(ASKED), 3)
    plans = candidate_plans(_space(tmp_path), _POOL.names)[:2]
    blocks = blocks_of(world, world.tasks, plans, _POOL, tmp_path)
    said: list[str] = []
    measure(blocks, open_store, processes=1, told=said.append)
    assert said == ["1 of 1 blocks measured"]
    grid = read_grid(blocks)
    assert grid.scores.shape == (len(ASKED), 2)
    assert set(np.unique(grid.scores)) <= {0.0, 1.0}
    assert grid.answers.dtype == np.int64
    right = grid.scores == 1
    for row, good in zip(grid.answers, right, strict=True):
        assert len(set(row[good])) <= 1, "answers that are right are one answer"
        assert -1 not in row[good]
    assert set(np.unique(grid.abstained)) <= {0.0, 1.0}
    weights = np.array([_POOL.card(plan.values["solve.model"]).weight for plan in plans])
    assert grid.weighted == pytest.approx(grid.tokens * weights, rel=1e-4)
    assert not list(tmp_path.glob("*.db*")), "the books of a block go when it is done"
    measure(blocks, _no_store, processes=1, told=said.append)
    assert len(said) == 1


def test_answers_have_one_number_in_all_blocks(tmp_path: Path) -> None:
    (world,) = draw_worlds(len(ASKED), 3)
    plans = candidate_plans(_space(tmp_path), _POOL.names)[:2]
    together = blocks_of(world, world.tasks, plans, _POOL, tmp_path)
    apart = [block for plan in plans for block in blocks_of(world, world.tasks, [plan], _POOL, tmp_path)]
    measure([*together, *apart], open_store, processes=1, told=lambda text: None)
    whole, parts = read_grid(together), [read_grid([block]) for block in apart]
    assert np.array_equal(whole.answers, np.concatenate([part.answers for part in parts], axis=1))


def test_other_passages_are_other_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (world,) = draw_worlds(len(ASKED), 3)
    plans = candidate_plans(_space(tmp_path), _POOL.names)[:1]
    (block,) = blocks_of(world, world.tasks, plans, _POOL, tmp_path)
    monkeypatch.setattr("benchmarks.proof.measure.passages_of", lambda world: ("Kalo stays in room 11.",))
    (other,) = blocks_of(world, world.tasks, plans, _POOL, tmp_path)
    assert other.key != block.key
    assert other.passages != block.passages
    assert other.passages.read_text() == "Kalo stays in room 11.\n"


def test_other_plans_questions_and_replicates_are_other_blocks(tmp_path: Path) -> None:
    (world,) = draw_worlds(2 * len(ASKED), 3)
    plans = candidate_plans(_space(tmp_path), _POOL.names)
    keys = {
        block.key
        for tasks, chosen, seed in (
            (world.tasks, plans, 0),
            (world.tasks[: len(ASKED)], plans, 0),
            (world.tasks, plans[:3], 0),
            (world.tasks, plans, 1),
        )
        for block in blocks_of(world, tasks, chosen, _POOL, tmp_path, seed=seed)
    }
    assert len(keys) == 4
