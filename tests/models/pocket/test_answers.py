from __future__ import annotations

import pytest

from apportion.models.pocket.answers import answer_place


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("60", "60"),
        ("47+83=30*02=60", "60"),
        ("kemo stays with rali. rali stays in room 58", "58"),
        ("ab:3;a<b|a=1 b=3", "a=1 b=3"),
        ("x>b b>f", "f"),
        ("lato 12k, kemo 47b|12k/47b", "12k/47b"),
        ("3bc 2aa 1ca|1a", "1a"),
        ("47+83=30*02=", None),
        ("bf", None),
        ("", None),
    ],
)
def test_an_answer_stands_at_the_end(text: str, answer: str | None) -> None:
    place = answer_place(text, draft=False)
    assert (None if place is None else text[place:]) == answer


def test_a_draft_names_the_letters_that_it_came_by() -> None:
    assert answer_place("bf", draft=True) == 1
