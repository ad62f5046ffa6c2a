from __future__ import annotations

import pytest

from benchmarks.recorded import DATA, absent
from benchmarks.recorded_guessing import guessing
from benchmarks.recorded_thinking import thinking_table

real = pytest.mark.skipif(absent(DATA, ["guessing"]) is not None, reason=f"there are no recorded outcomes in {DATA}")


@real
def test_who_withholds_beats_the_best_model_level_when_guessing_costs() -> None:
    """On one half, a few arms: the figures are the benchmark's to give."""
    table = thinking_table(DATA / "thinking_levels")
    few = [n for n, arm in enumerate(table.arms) if arm.name.startswith(("gpt-5-mini", "grok"))]
    told: list[str] = []
    section = guessing(table.with_arms(few), 1, told.append)
    assert len(told) == 1
    rows = {row[0]: row for row in section.rows}
    assert float(rows["one model-level, selective"][2]) > float(rows["best model-level"][2]) + 0.02
    for row in section.rows:
        assert sum(map(float, row[-1].split(" / "))) == pytest.approx(1.0, abs=0.005)
