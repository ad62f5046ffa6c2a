from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from apportion.budgets.cap import Cap
from apportion.graphs.graph import Graph
from apportion.models.card import ModelCard
from apportion.models.pool import Pool
from apportion.models.request import Request
from apportion.nodes.knob import choose
from apportion.nodes.solver import Solver
from apportion.optimizers.study.optimize import optimize
from apportion.optimizers.study.report import StudyReport
from apportion.records import Task
from apportion.stores import open_store
from apportion.testing.scripted import ScriptedModel


def figures(found: dict[str, Any]) -> list[Any]:
    """The frontier as scores and costs; intervals may be computed in another way."""
    return [
        [plan["plan"], plan["affordable"], *(_of(plan[part]) for part in ("validation", "test"))]
        for plan in found["frontier"]
    ]


def _of(score: dict[str, Any] | None) -> list[Any] | None:
    return None if score is None else [score[name] for name in ("tasks", "score", "coverage", "cost", "lost")]


@pytest.mark.filterwarnings("ignore::apportion.stores.upgrade.OldFileWarning")
def test_a_study_of_an_older_version_goes_on(
    kept_database: Path, kept_figures: dict[str, Any], kept_study: ModuleType
) -> None:
    """What its trials found stands. Replies are bought once more where the addresses of replies have changed since."""
    then = kept_figures["found"]
    now = kept_study.found(kept_study.run(kept_database))
    assert figures(now) == figures(then)
    assert (now["chosen"], now["policy"]) == (then["chosen"], then["policy"])
    assert then["paid"] <= now["paid"] <= 2 * then["paid"]
    assert kept_study.found(kept_study.run(kept_database)) == now
    with open_store(kept_database, read_only=True) as store:
        assert [study.study_id for study in store.studies()] == [kept_figures["held"]["study_id"]]


def test_a_plan_that_may_cost_more_than_the_cap_allows_is_not_chosen() -> None:
    """Its mean lies below what a task may cost, the upper end of the interval above."""

    def script(request: Request) -> str:
        number = int("".join(filter(str.isdigit, request.messages[-1].content)))
        return "so " * (number % 11) + f"\nAnswer: {'yes' if request.max_output_tokens > 20 else 'no'}"

    def found(affordable: float) -> StudyReport:
        card = ModelCard(name="m", provider="scripted", template_tokens=2, message_tokens=2)
        graph = Graph("one").add("solve", Solver(style="think", max_output_tokens=choose(20, 80)))
        tasks = [Task(question=f"Is {number} fine?", gold="yes") for number in range(60)]
        pool = Pool([ScriptedModel(script, name="m", card=card)])
        return optimize(graph, tasks, pool, cap=Cap(total=60 * affordable), spend=1e6, policies=())

    best = found(1e4).best
    assert best is not None
    assert best.validation.score == 1.0
    low, high = best.validation.cost, best.validation.cost_high
    assert low < high - 1
    for affordable, fits in ((low + 0.5, False), (high - 0.5, False), (high + 0.5, True)):
        report = found(affordable)
        (same,) = [plan for plan in report.frontier if plan.plan_hash == best.plan_hash]
        assert same.affordable == (report.chosen == best.plan_hash) == fits
