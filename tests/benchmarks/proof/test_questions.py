from __future__ import annotations

from collections import Counter

import pytest

from apportion.errors import UsageError
from apportion.tasks.families import corpus
from benchmarks.proof.questions import ASKED, draw_worlds


def test_every_family_and_difficulty_is_asked_as_often() -> None:
    (world,) = draw_worlds(8 * 60, 5)
    assert Counter(task.family for task in world.tasks) == dict.fromkeys(ASKED, 60)
    for family, difficulties in ASKED.items():
        counts = Counter(task.difficulty for task in world.tasks if task.family == family)
        assert set(counts) == set(difficulties)
        assert max(counts.values()) - min(counts.values()) <= 1


def test_test_questions_are_others_than_those_of_the_dev_part() -> None:
    (dev,) = draw_worlds(8 * 40, 5)
    known = {task.task_id for task in dev.tasks}
    (test,) = draw_worlds(8 * 100, 6, without=known)
    assert not known & {task.task_id for task in test.tasks}
    # Positions of pegs are few, so that another seed draws the same ones again.
    (free,) = draw_worlds(8 * 100, 6)
    assert known & {task.task_id for task in free.tasks}


def test_many_searches_take_several_worlds_with_passages_of_their_own() -> None:
    first, second = draw_worlds(8 * 400, 7)
    assert Counter(task.family for task in second.tasks) == {"hops": 200}
    assert (first.seed, second.seed) == (7, 8)
    names = {task.task_id for world in (first, second) for task in world.tasks}
    assert len(names) == 8 * 400
    for world in (first, second):
        passages = set(corpus("hops", world.seed))
        hops = [task for task in world.tasks if task.family == "hops"]
        assert all(set(task.metadata["facts"]) <= passages for task in hops)


def test_the_same_seed_draws_the_same_questions() -> None:
    assert draw_worlds(64, 9) == draw_worlds(64, 9)


def test_a_number_that_families_cannot_share_is_refused() -> None:
    with pytest.raises(UsageError, match="multiple of 8"):
        draw_worlds(100, 1)
