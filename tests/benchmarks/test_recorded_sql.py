from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.proof.paths import PathChoice
from benchmarks.recorded_sql import caps_of, matched
from benchmarks.recorded_tables import sql_table


def choice(scores: list[float], costs: list[float]) -> PathChoice:
    return PathChoice(np.zeros(len(scores), np.intp), np.array(costs), np.array(scores), np.array(costs))


def test_a_rival_is_mixed_on_its_hull_to_the_cost_asked_for() -> None:
    # The middle one lies below the line from the first to the last, so nobody would mix with it.
    choices = [choice([0.0, 0.2], [1, 1]), choice([0.2, 0.1], [2, 2]), choice([1.0, 0.6], [3, 3])]
    assert matched(choices, 2.0).tolist() == pytest.approx([0.5, 0.4])
    assert matched(choices, 9.0).tolist() == [1.0, 0.6]
    assert matched(choices, 0.5).tolist() == [0.0, 0.2]


def test_caps_lie_between_the_cheapest_arm_and_the_best_in_equal_ratios(records: Path) -> None:
    table = sql_table(records / "intercode_sql").tables["mUSD"]
    costs, scores = table.mean_costs.mean(axis=0), table.mean_scores.mean(axis=0)
    least, best = costs.min(), costs[scores.argmax()]
    caps = caps_of(table)
    assert least < caps["tight"] < caps["middle"] < caps["loose"] < best
    assert caps["middle"] == pytest.approx(np.sqrt(least * best))
