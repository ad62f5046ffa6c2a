"""Examples of following arrows and of moving disks, read back as the nodes would read them."""

from __future__ import annotations

import random
import re

import pytest

from apportion.models.pocket.tokenizer import decode
from apportion.nodes.prompts.base import Style
from apportion.nodes.prompts.pocket import PocketDialect
from apportion.tasks.families import share_of
from apportion.tasks.families.hanoi import Pegs
from training.examples import Example
from training.examples_moves import draw_next_move, draw_path, pegs_think

DIALECT = PocketDialect()
STYLES = list(Style)


def halves(example: Example) -> tuple[str, str]:
    """The prompt, and what the model is to write."""
    start = example.written.index(True)
    return decode(example.tokens[:start]), decode(example.tokens[start:])


@pytest.mark.parametrize("style", STYLES)
def test_a_path_is_followed_to_its_end(style: Style) -> None:
    rng, lengths = random.Random(1), set()
    for _ in range(80):
        prompt, text = halves(draw_path(rng, style))
        listed, place = re.fullmatch(r"[SCT]Arrows (.+)\. From ([a-z])\?", prompt).groups()  # type: ignore[union-attr]
        onward = dict(arrow.split(">") for arrow in listed.split())
        path = place
        while path[-1] in onward:
            path += onward[path[-1]]
        assert DIALECT.read_answer(text, style) == path[-1]
        if style is Style.DRAFT:
            assert text == path[1:] + "\n"
        if style is Style.THINK:
            assert text.split() == [f"{tail}>{onward[tail]}" for tail in path[:-1]]
        assert share_of(prompt[1:]) == "training"
        lengths.add(len(path) - 1)
    assert lengths == set(range(1, 11))


@pytest.mark.parametrize("style", [Style.DIRECT, Style.THINK])
def test_the_next_move_is_that_of_the_position(style: Style) -> None:
    rng, disks = random.Random(1), set()
    for _ in range(80):
        prompt, text = halves(draw_next_move(rng, style))
        places, target = re.fullmatch(r"[ST]Pegs ([abc]+)\. All to ([abc])\?", prompt).groups()  # type: ignore[union-attr]
        assert DIALECT.read_answer(text, style) == Pegs(places, target).move
        assert share_of(prompt[1:]) == "training"
        disks.add(len(places))
    assert disks == set(range(1, 10))


def test_a_trace_names_each_disk_its_peg_and_its_goal() -> None:
    assert pegs_think(Pegs("cab", "c")) == "3bc 2aa 1ca|1a"
    assert pegs_think(Pegs("aac", "c")) == "3cc 2ac 1ab|1b"
