"""Traces with one slip, and what is to be said of their steps."""

from __future__ import annotations

import random
import re

from apportion.models.pocket.tokenizer import decode
from apportion.nodes.prompts.pocket import PocketDialect
from apportion.tasks.families.chains import calculate
from training.examples import draw_subtle_verification, sooner

DIALECT = PocketDialect()


def test_exactly_one_step_is_wrong_and_the_verdict_solves_every_step_anew() -> None:
    rng = random.Random(1)
    for _ in range(100):
        question, trace, verdict = decode(draw_subtle_verification(rng, 8).tokens).split("\n")[:3]
        steps = DIALECT.steps(trace)
        told = re.findall(r"([0-9]{2})([yn])", verdict)
        assert "".join(re.split(r"=[0-9]{2}", trace)) + "=" == question[1:]
        for step, (right, mark) in zip(steps, told, strict=True):
            left, sign, operand = int(step.question[:2]), step.question[2], int(step.question[3:5])
            assert calculate(left, sign, operand) == int(right)
            assert (mark == "y") == (step.claimed == right)
        assert verdict.count("n") == 1
        assert DIALECT.read_verdict(verdict) == 0.0


def test_small_numbers_come_somewhat_more_often() -> None:
    rng = random.Random(1)
    drawn = [sooner(rng, 1, 10) for _ in range(2000)]

    assert set(drawn) == set(range(1, 11))
    assert 0.6 < sum(number <= 5 for number in drawn) / len(drawn) < 0.8
