"""Searches over a world of their own: what the first round must and must not bring."""

from __future__ import annotations

import random
import re

import pytest

from apportion.models.pocket.tokenizer import decode
from training.reading import Library, draw_rejection, draw_search, open_library


@pytest.fixture(scope="module")
def library() -> Library:
    return open_library(1)


def test_a_first_round_without_the_persons_fact_is_followed_by_the_other_query(library: Library) -> None:
    rng, answers = random.Random(1), set()
    for _ in range(60):
        example = draw_rejection(rng, library, 6)
        question, first, found, second, *_ = decode(example.tokens).split("\n")
        name = re.fullmatch(r"QWhich room is ([a-z]{4}) in\?", question)[1]  # type: ignore[index]
        assert library.world.facts[name] not in found
        assert name in found
        assert {first, second} == {f">{name} stays", f">{name} works"}
        written = decode([t for t, by_model in zip(example.tokens, example.written, strict=True) if by_model])
        assert written.startswith(f"{first}\n{second}\n")
        answers.add(written.rstrip("\n").rpartition("=")[2] == library.world.rooms[name])
    # Some find the room in the end, and some have to give up.
    assert answers == {True, False}


def test_other_searches_find_the_fact_at_once_as_well(library: Library) -> None:
    rng = random.Random(1)
    at_once = 0
    for _ in range(60):
        question, _, found, *_ = decode(draw_search(rng, library, 6).tokens).split("\n")
        at_once += library.world.facts[question[-8:-4]] in found
    assert 10 < at_once < 60
