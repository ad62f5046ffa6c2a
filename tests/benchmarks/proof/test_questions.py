from __future__ import annotations

from collections import Counter

import pytest

from apportion.errors import UsageError
from apportion.tasks.families import corpus
from benchmarks.proof import questions
from benchmarks.proof.questions import ASKED, HIDING, Asked, draw_worlds, passages_of

_FAMILIES = len(ASKED)


def test_every_family_and_difficulty_is_asked_as_often() -> None:
    (world,) = draw_worlds(_FAMILIES * 60, 5)
    assert Counter(task.family for task in world.tasks) == dict.fromkeys(ASKED, 60)
    for family, asked in ASKED.items():
        counts = Counter(task.difficulty for task in world.tasks if task.family == family)
        assert set(counts) == set(asked.difficulties)
        assert max(counts.values()) - min(counts.values()) <= 1


def test_test_questions_are_others_than_those_of_the_dev_part() -> None:
    (dev,) = draw_worlds(_FAMILIES * 40, 5)
    known = {task.task_id for task in dev.tasks}
    (test,) = draw_worlds(_FAMILIES * 100, 6, without=known)
    assert not known & {task.task_id for task in test.tasks}
    # Positions of pegs are few, so that another seed draws the same ones again.
    (free,) = draw_worlds(_FAMILIES * 100, 6)
    assert known & {task.task_id for task in free.tasks}


def test_many_searches_take_several_worlds_with_passages_of_their_own() -> None:
    worlds = draw_worlds(_FAMILIES * 400, 7)
    assert [world.seed for world in worlds] == [7, 8, 9]
    later = [Counter(task.family for task in world.tasks) for world in worlds[1:]]
    assert later == [{"hops": 133, "adaptive_retrieval": 133}] * 2
    names = {task.task_id for world in worlds for task in world.tasks}
    assert len(names) == _FAMILIES * 400
    for world in worlds:
        passages = set(corpus("hops", world.seed))
        hops = [task for task in world.tasks if task.family == "hops"]
        assert all(set(task.metadata["facts"]) <= passages for task in hops)


def test_another_family_over_a_corpus_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    more = {"chains": Asked(range(1, 3)), "hops": Asked((1, 4), hides=True, of_world=30), "repeats": Asked((3, 5))}
    monkeypatch.setattr(questions, "ASKED", more)
    worlds = draw_worlds(3 * 100, 5)
    assert [sum(task.family == "hops" for task in world.tasks) for world in worlds] == [25, 25, 25, 25]
    assert [len(world.tasks) for world in worlds] == [225, 25, 25, 25]
    asked = Counter((task.family, task.difficulty) for world in worlds for task in world.tasks)
    assert set(asked) == {("chains", 1), ("chains", 2), ("hops", 1), ("hops", 4), ("repeats", 3), ("repeats", 5)}
    for world in worlds:
        facts = {fact for task in world.tasks for fact in task.metadata.get("facts", [])}
        assert facts <= set(passages_of(world))


def test_what_hides_is_what_says_so() -> None:
    assert "hops" in HIDING
    assert {family for family, asked in ASKED.items() if asked.hides} == set(HIDING)


def test_the_same_seed_draws_the_same_questions() -> None:
    assert draw_worlds(_FAMILIES * 8, 9) == draw_worlds(_FAMILIES * 8, 9)


def test_a_number_that_families_cannot_share_is_refused() -> None:
    with pytest.raises(UsageError, match=f"multiple of {_FAMILIES}"):
        draw_worlds(_FAMILIES * 10 + 1, 1)
