from __future__ import annotations

from apportion import Pool
from apportion.models.pocket import load_pocket_model
from benchmarks.calculator import ROWS, calculate, compared


def test_a_tool_is_told_apart_from_a_vote_that_costs_as_much() -> None:
    row = compared(Pool([load_pocket_model("pocket-30k")]), 4, 10)
    assert row.tool.right.mean() > row.alone.right.mean()
    assert row.alone.tokens < row.tool.tokens <= row.vote.tokens
    assert row.samples > 1


def test_the_calculator_takes_what_the_models_write() -> None:
    assert [calculate(step) for step in ("47+83", "0-5", "30*2")] == [130, -5, 60]


def test_the_rows_are_of_shipped_models() -> None:
    assert all(load_pocket_model(name) for name, _ in ROWS)
