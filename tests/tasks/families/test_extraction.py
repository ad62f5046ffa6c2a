from __future__ import annotations

import re

import pytest

from apportion.tasks.families import generate
from apportion.tasks.metrics import score


@pytest.mark.parametrize("difficulty", [1, 3, 6])
def test_looking_the_names_up_gives_the_gold_answer(difficulty: int) -> None:
    joiners = set()
    for task in generate("extraction", 40, 1, difficulty):
        listed, asked, joiner = re.fullmatch(  # type: ignore[union-attr]
            r"Codes (.+)\. Give (.+) joined by (.)\.", task.question
        ).groups()
        codes = dict(record.split() for record in listed.split(", "))
        assert len(codes) == 8
        assert all(re.fullmatch(r"[0-9]{2}[a-z]", code) for code in codes.values())
        assert len(set(asked.split(", "))) == difficulty
        assert joiner.join(codes[name] for name in asked.split(", ")) == task.gold
        joiners.add(joiner)
    assert joiners == set("/-;+")


def test_a_slip_of_format_is_wrong() -> None:
    for task in generate("extraction", 20, 1, 3):
        (joiner,) = set(re.findall(r"[-/;+]", task.gold))
        other = "+" if joiner != "+" else "/"
        codes = task.gold.split(joiner)
        slips = (
            task.gold.replace(joiner, other),
            task.gold.replace(joiner, f"{joiner} "),
            task.gold.replace(joiner, ""),
            joiner.join(reversed(codes)),
            joiner.join(codes[:2]),
            task.gold + joiner,
            task.gold + ".",
        )
        assert score(task, task.gold) == 1.0
        assert [slip for slip in slips if slip != task.gold and score(task, slip)] == []
