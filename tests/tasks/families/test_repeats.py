from __future__ import annotations

import re
from collections import Counter

import pytest

from apportion.tasks.families import generate
from apportion.tasks.families.chains import calculate


@pytest.mark.parametrize("difficulty", [2, 4, 6])
def test_a_few_questions_come_again_and_again(difficulty: int) -> None:
    tasks = generate("repeats", 400, 1, difficulty)
    asked = Counter(task.question for task in tasks)

    assert 2**difficulty // 2 < len(asked) <= 2**difficulty
    most, *_, least = (count for _, count in asked.most_common())
    assert most > 3 * least
    # Each is a task of its own, told apart by how often its question was asked before.
    assert len({task.task_id for task in tasks}) == 400
    for question, count in asked.items():
        occurrences = [task.metadata["occurrence"] for task in tasks if task.question == question]
        assert occurrences == list(range(1, count + 1))


def test_the_questions_are_chains_of_two_to_six_operations() -> None:
    lengths = set()
    for task in generate("repeats", 100, 1, 6):
        start, *steps = re.findall(r"[-+*]?[0-9]{2}", task.question.rstrip("="))
        value = int(start)
        for step in steps:
            value = calculate(value, step[0], int(step[1:]))
        assert f"{value:02d}" == task.gold
        lengths.add(len(steps))
    assert lengths == {2, 3, 4, 5, 6}
