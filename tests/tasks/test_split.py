from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.errors import UsageError
from apportion.records.task import Task
from apportion.tasks.split import FEWEST, Part, split


def tasks(count: int, family: str = "default") -> list[Task]:
    return [Task(question=f"{family} {index}?", family=family) for index in range(count)]


def test_exact_shares_within_every_family_of_a_multiple_of_ten() -> None:
    parts = split([*tasks(20, "a"), *tasks(50, "b"), *tasks(10, "c")], seed=3)
    for family, count in (("a", 20), ("b", 50), ("c", 10)):
        sizes = {part: sum(task.family == family for task in held) for part, held in parts.items()}
        assert sizes == {"fit": count * 5 // 10, "validation": count * 2 // 10, "test": count * 3 // 10}


def test_families_of_one_task_are_spread_too() -> None:
    parts = split([task for index in range(100) for task in tasks(1, f"family {index}")], seed=0)
    assert {part: len(held) for part, held in parts.items()} == {"fit": 50, "validation": 20, "test": 30}


def test_the_order_of_the_tasks_does_not_matter_but_the_seed_does() -> None:
    given_tasks = [*tasks(30, "a"), *tasks(17, "b")]
    shuffled = random.Random(1).sample(given_tasks, len(given_tasks))
    assert split(given_tasks, seed=7) == split(shuffled, seed=7)
    assert split(given_tasks, seed=7) != split(given_tasks, seed=8)


def test_a_part_is_not_in_the_order_of_the_file() -> None:
    given_tasks = tasks(200)
    fit = split(given_tasks, seed=0)["fit"]
    places = [given_tasks.index(task) for task in fit]
    assert places != sorted(places)


def test_tasks_that_have_a_part_keep_it_and_the_others_are_divided_among_themselves() -> None:
    given_tasks = tasks(60)
    before = split(given_tasks[:40], seed=2)
    known = {task.task_id: part for part, held in before.items() for task in held}
    after = split(given_tasks[::-1], seed=2, known=known)
    assert all(task in after[part] for part, held in before.items() for task in held)
    assert {part: len(held) for part, held in after.items()} == {"fit": 30, "validation": 12, "test": 18}
    # One at a time they keep the proportions too.
    for task in given_tasks[40:]:
        found = split([*(each for each in given_tasks if each.task_id in known), task], seed=2, known=known)
        known |= {task.task_id: next(part for part, held in found.items() if task in held)}
    assert Counter(known.values()) == {"fit": 30, "validation": 12, "test": 18}


def test_a_part_for_which_no_task_is_left_is_named() -> None:
    given_tasks = tasks(10)
    known = {task.task_id: "fit" for task in given_tasks}
    with pytest.raises(UsageError, match="left for validation"):
        split(given_tasks, seed=0, known=known)


@given(sizes=st.lists(st.integers(1, 25), min_size=1, max_size=6), seed=st.integers())
def test_every_task_is_in_one_part_and_shares_are_off_by_little(sizes: list[int], seed: int) -> None:
    given_tasks = [task for index, size in enumerate(sizes) for task in tasks(size, f"family {index}")]
    if len(given_tasks) < FEWEST:
        return
    parts = split(given_tasks, seed)
    held = Counter(task.task_id for part in parts.values() for task in part)
    assert held == Counter(task.task_id for task in given_tasks)
    for part, share in (("fit", 0.5), ("validation", 0.2), ("test", 0.3)):
        assert parts[part]  # type: ignore[index]
        for index, size in enumerate(sizes):
            got = sum(task.family == f"family {index}" for task in parts[part])  # type: ignore[index]
            assert abs(got - share * size) <= 1.2


def test_too_few_tasks_and_copies_are_refused() -> None:
    with pytest.raises(UsageError, match="at least 4 are needed"):
        split(tasks(3), seed=0)
    with pytest.raises(UsageError, match="is there twice"):
        split([*tasks(5), *tasks(1)], seed=0)


PHRASES = (
    "long red pens lie in the box",
    "doors of the old house creak",
    "rivers end far in the south",
    "loaves of bread cost more today",
    "engines stopped near our bridge",
    "lamps were sold last summer",
    "birds sang above the harbor wall",
    "letters came without any stamp",
    "coats hung behind the mirror",
    "children counted to the end",
    "trains passed the second tunnel",
    "wires ran under a wooden floor",
)


def of_templates(each: int, templates: int = 12, family: str = "tales") -> list[Task]:
    return [
        Task(question=f"how many {phrase}, {n}?", family=family) for phrase in PHRASES[:templates] for n in range(each)
    ]


def together(tasks: list[Task], parts: Mapping[Part, tuple[Task, ...]]) -> bool:
    of = {task.question: part for part, held in parts.items() for task in held}
    return all(len({of[task.question] for task in tasks if phrase in task.question}) == 1 for phrase in PHRASES)


@pytest.mark.parametrize("seed", range(5))
def test_templates_stay_together_and_shares_are_near(seed: int) -> None:
    given_tasks = [*of_templates(5), *tasks(60, "sums")]
    parts = split(given_tasks, seed)
    assert together(of_templates(5), parts)
    for family, count in (("tales", 60), ("sums", 60)):
        for part, share in (("fit", 0.5), ("validation", 0.2), ("test", 0.3)):
            got = sum(task.family == family for task in parts[part])  # type: ignore[index]
            assert abs(got - share * count) <= 6
    assert parts == split(given_tasks[::-1], seed)


def test_a_new_task_goes_where_its_template_is() -> None:
    before = split(of_templates(5), seed=1)
    known = {task.task_id: part for part, held in before.items() for task in held}
    after = split(of_templates(7), seed=1, known=known)
    assert together(of_templates(7), after)
    assert all(task in after[part] for part, held in before.items() for task in held)
    # Whoever was divided before templates stayed together is not divided anew.
    scattered = split(of_templates(5), seed=1, clusters=[""] * 60)
    kept = split(of_templates(5), seed=1, known={t.task_id: part for part, held in scattered.items() for t in held})
    assert kept == scattered
    assert not together(of_templates(5), kept)


def test_clusters_that_leave_no_task_for_a_part_are_named() -> None:
    with pytest.raises(UsageError, match=r"no task is left for .*2 clusters"):
        split(tasks(6), seed=0, clusters=["a"] * 3 + ["b"] * 3)
