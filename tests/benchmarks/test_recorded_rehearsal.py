from __future__ import annotations

from pathlib import Path

from benchmarks.recorded_rehearsal import crossed_scores, ladder
from benchmarks.recorded_tables import reasoning_table


def test_more_budget_buys_more_on_questions_that_were_not_learned_from(records: Path) -> None:
    table = reasoning_table(records / "reasoning_gym_easy").tables["mUSD"]
    budgets = ladder(table)
    scores = crossed_scores(["static_mix"], table, budgets, float(budgets[10]), seed=0)["static_mix"]
    assert budgets[0] < table.mean_costs.max() < budgets[-1]
    assert scores[0] < scores[-1] <= table.mean_scores.mean(axis=0).max() + 0.05
