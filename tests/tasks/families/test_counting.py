from __future__ import annotations

import pytest

from apportion.models.pocket.tokenizer import encode
from apportion.tasks.families import generate
from apportion.tasks.metrics import score


@pytest.mark.parametrize("difficulty", [1, 3, 7])
def test_counting_gives_the_gold_answer(difficulty: int) -> None:
    for task in generate("counting", 20, 1, difficulty):
        count, wanted, joint, listed = task.question.split()
        assert (count, joint, len(listed)) == ("Count", "in", 10 * 2 ** (difficulty - 1))
        assert len(set(listed)) <= 5
        found = sum(letter == wanted for letter in listed)
        assert task.gold == f"{found % 100:02d}"
        assert score(task, f"{found + 1:02d}") == 0.0
        # A token for each letter, so that no model has to count within a token.
        assert len(encode(listed)) == len(listed)


def test_the_longest_lists_are_longer_than_a_window() -> None:
    assert min(len(encode(task.question)) for task in generate("counting", 5, 1, 7)) > 2 * 256
