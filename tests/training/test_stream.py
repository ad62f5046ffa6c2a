"""Every kind of example that a mix may name."""

from __future__ import annotations

import random

from apportion.models.pocket.tokenizer import END, UNKNOWN
from training.reading import open_library
from training.recipes import MIXES
from training.stream import WINDOW, _drawers, draw_example

DRAWERS = _drawers([open_library(1)])


def test_every_kind_is_within_the_vocabulary_and_ends_with_what_the_model_writes() -> None:
    for kind in DRAWERS:
        rng = random.Random(kind)
        for _ in range(10):
            example = draw_example(rng, {kind: 1}, DRAWERS)
            assert len(example.tokens) == len(example.written) <= WINDOW
            assert UNKNOWN not in example.tokens
            assert (example.tokens[-1], example.written[-1], example.written[0]) == (END, True, False)


def test_every_kind_of_a_mix_can_be_drawn() -> None:
    for mix in MIXES.values():
        assert set(mix) <= set(DRAWERS)
