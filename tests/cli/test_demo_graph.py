from __future__ import annotations

import asyncio
from collections import Counter

from apportion.cli.demo_graph import dev_set, graph, look_up
from apportion.models.pocket import load_pocket_models
from apportion.models.pool import Pool


def test_the_graph_is_the_one_in_databases_that_exist() -> None:
    # Whoever has the demo's database goes on with its study; a changed graph would be another study.
    assert graph.hash == "02461d3e4338e37c"
    assert graph.space(Pool(load_pocket_models())).size == 1_299_180


def test_the_questions_are_of_six_families_and_each_is_there_once() -> None:
    tasks = dev_set()
    assert len({task.task_id for task in tasks}) == len(tasks) == 352
    families = Counter(task.family for task in tasks)
    assert set(families) == {"chains", "composites", "connectivity", "extraction", "hops", "puzzles"}
    assert min(families.values()) >= 32


def test_the_corpus_has_what_the_questions_ask_for() -> None:
    task = next(task for task in dev_set(1) if task.family == "hops" and task.difficulty == 1)
    found = asyncio.run(look_up(task.question, 2))
    assert any(task.gold in passage for passage in found)
