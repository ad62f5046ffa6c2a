from __future__ import annotations

import re
from collections import Counter

import pytest

from apportion.tasks.families import generate, share_of
from apportion.tasks.metrics import score


@pytest.mark.parametrize("difficulty", [1, 2, 5])
def test_adding_up_what_the_passage_says_gives_the_gold_answer(difficulty: int) -> None:
    for task in generate("stock", 40, 1, difficulty):
        (passage,) = task.context
        stock = {name: int(number) for name, number in re.findall(r"([a-z]{4}) ([0-9]{2})[,.]", passage)}
        names = re.fullmatch(r"Sum of (.+)\?", task.question)[1].split(", ")  # type: ignore[index]
        assert len(stock) == 10
        assert len(set(names)) == difficulty
        total = sum(stock[name] for name in names)
        assert task.gold == f"{total % 100:02d}"
        assert score(task, f"{(total + 10) % 100:02d}") == 0.0


@pytest.mark.parametrize(("difficulty", "each"), [(1, 10), (2, 16), (5, 16)])
def test_many_questions_share_a_context(difficulty: int, each: int) -> None:
    contexts = Counter(task.context for task in generate("stock", 64, 2, difficulty))

    assert len(contexts) == -(-64 // each)
    assert max(contexts.values()) == each
    assert all(share_of(passage) == "dev" for (passage,) in contexts)
