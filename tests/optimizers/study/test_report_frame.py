from __future__ import annotations

import sys
from typing import Any

import pytest

from apportion.budgets.cap import Cap
from apportion.errors import UsageError
from apportion.optimizers.study.plan_report import PlanReport, Score
from apportion.optimizers.study.report import StudyReport
from apportion.optimizers.study.report_frame import rows_of


def score(value: float, cost: float) -> Score:
    return Score(tasks=10, score=value, low=value / 2, high=1.0, coverage=0.9, cost=cost, cost_high=cost, lost=0.0)


def plan(name: str, value: float, values: dict[str, Any], edges: list[str], *, tested: bool = True) -> PlanReport:
    return PlanReport(
        plan_hash=name * 16,
        plan={"graph": "g", "values": values, "edges": edges},
        affordable=tested,
        validation=score(value, 10 * value),
        test=score(value, 11 * value) if tested else None,
        tokens=100 * value,
        usd=0.001,
    )


def report(*frontier: PlanReport, notes: tuple[str, ...] = ()) -> StudyReport:
    return StudyReport(
        study_id="s",
        graph_hash="g",
        cap=Cap(total=1000, unit="weighted"),
        tasks={"fit": 10},
        plans_in_space=1234,
        plans_measured=4,
        runs=40,
        spend=5000.0,
        paid=1234.5,
        lost=0.0,
        stopped_early=False,
        frontier=frontier,
        chosen="a" * 16,
        test_reads=1,
        location="memory",
        seconds=1.0,
        notes=notes,
    )


PLANS = (
    plan("a", 0.4, {"solve.model": "small", "solve.samples": 3}, ["a->b", "b->c"]),
    plan("b", 0.8, {"solve.model": "large", "split.max_parts": {"low": 1, "high": 2}}, [], tested=False),
)


def test_a_row_has_the_knobs_the_score_with_its_interval_and_what_it_cost() -> None:
    first, second = rows_of(PLANS, report(*PLANS).chosen)
    assert list(first) == list(second)
    assert first == {
        "plan": "a" * 16,
        "chosen": True,
        "fits": True,
        "solve.model": "small",
        "solve.samples": 3,
        "split.max_parts": None,
        "edges": "a->b, b->c",
        "score": 0.4,
        "low": 0.2,
        "high": 1.0,
        "answered": 0.9,
        "cost": 4.0,
        "tokens": 40.0,
        "usd": 0.001,
        "test_score": 0.4,
        "test_low": 0.2,
        "test_high": 1.0,
        "test_cost": pytest.approx(4.4),
    }
    assert (second["chosen"], second["fits"], second["test_score"], second["edges"]) == (False, False, None, "")


def test_the_frame_has_a_row_for_every_plan() -> None:
    frame = report(*PLANS).to_frame()
    assert frame["score"].tolist() == [0.4, 0.8]
    assert frame["solve.model"].tolist() == ["small", "large"]
    assert frame["test_score"].isna().tolist() == [False, True]
    assert len(report().to_frame()) == 0


def test_without_pandas_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match=r"needs pandas: pip install 'apportion\[frames\]'"):
        report(*PLANS).to_frame()


def test_a_report_of_before_the_fields_were_there_is_read() -> None:
    data = report(*PLANS).model_dump(mode="json")
    for each in data["frontier"]:
        del each["tokens"], each["usd"]
    assert [row["tokens"] for row in rows_of(StudyReport.model_validate(data).frontier, None)] == [None, None]
