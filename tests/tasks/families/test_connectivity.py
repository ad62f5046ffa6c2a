from __future__ import annotations

import re

import pytest

from apportion.tasks.families import generate
from apportion.tasks.metrics import score


@pytest.mark.parametrize("difficulty", [1, 4, 10])
def test_following_the_arrows_gives_the_gold_letter(difficulty: int) -> None:
    for task in generate("connectivity", 20, 1, difficulty):
        listed, place = re.fullmatch(r"Arrows (.+)\. From ([a-z])\?", task.question).groups()  # type: ignore[union-attr]
        onward = dict(arrow.split(">") for arrow in listed.split())
        assert len(listed.split()) == 2 * difficulty
        # Two paths without a letter in common: every letter once, and two of them without an arrow out of it.
        assert len({*onward, *onward.values()}) == 2 * (difficulty + 1)
        steps = 0
        while place in onward:
            place, steps = onward[place], steps + 1
        assert (place, steps) == (task.gold, difficulty)


def test_the_end_of_the_other_path_is_wrong() -> None:
    for task in generate("connectivity", 20, 1, 3):
        heads, tails = set(re.findall(r">([a-z])", task.question)), set(re.findall(r"([a-z])>", task.question))
        assert len(heads - tails) == 2
        assert sum(score(task, letter) for letter in heads) == 1.0
        assert score(task, task.gold) == 1.0
        assert score(task, f"{task.gold}{task.gold}") == 0.0


def test_the_arrows_of_a_path_are_not_listed_in_order() -> None:
    tasks = generate("connectivity", 50, 1, 10)
    first = [task.question.index(f"{task.question[-2]}>") for task in tasks]

    assert len(set(first)) > 5
