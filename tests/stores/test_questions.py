from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apportion.records import Amount, CallRow, PartRow, RunRow, SpanRow, Status, StudyRow, TaskRow, TrialRow
from apportion.stores import Store
from apportion.stores.questions import (
    COUNTED_BY,
    PLAN_PAIRS,
    STUDIES,
    RunFilter,
    is_of_test,
    matching_runs,
    names_that_begin,
    tokens_by,
    verdicts,
)


@pytest.fixture
def asked(store: Store, row: Callable[..., Any]) -> Callable[[RunFilter], list[str]]:
    """Three runs: under two plans of a study, and one by hand."""
    store.record(row(StudyRow))
    store.record(row(TrialRow))
    store.record(row(TaskRow, task_id="sum", family="100%", content='{"question":"What is 1 + 1?"}'))
    store.record(row(TaskRow, task_id="poem", family="odd'; DROP TABLE run; --", content='{"question":"A poem"}'))
    runs = (
        {"run_id": "a", "task_id": "sum", "plan_hash": "plan1", "started_at": 1.0},
        {
            "run_id": "b",
            "task_id": "poem",
            "plan_hash": "plan2",
            "started_at": 2.0,
            "status": Status.TIMEOUT,
            "score": 0.0,
        },
        {"run_id": "c", "task_id": "sum", "plan_hash": "plan2", "started_at": 3.0, "trial_id": None},
    )
    for fields in runs:
        store.record(row(RunRow, **fields))
        for node, model, tokens in (("solve", "small", 10), ("solve", "large", 30), ("judge", "small", 2)):
            name = f"{fields['run_id']} {node} {model}"
            store.record(row(SpanRow, span_id=name, node=node, run_id=fields["run_id"]))
            call = {"call_id": name, "span_id": name, "run_id": fields["run_id"], "request_model": model}
            store.record(row(CallRow, charged=Amount(tokens), lost=Amount(1), **call))
    store.flush()

    def ask(which: RunFilter) -> list[str]:
        question = matching_runs(which, 10)
        return [run_id for run_id, *_ in store.query(question.sql, question.parameters).rows]

    return ask


@pytest.mark.parametrize(
    ("which", "found"),
    [
        (RunFilter(), ["c", "b", "a"]),
        (RunFilter(study="study"), ["b", "a"]),
        (RunFilter(plan="plan2"), ["c", "b"]),
        (RunFilter(status="timeout"), ["b"]),
        (RunFilter(family="100%"), ["c", "a"]),
        (RunFilter(family="odd'; DROP TABLE run; --"), ["b"]),
        (RunFilter(question="what IS"), ["c", "a"]),
        (RunFilter(question="%"), []),
        (RunFilter(part="fit"), ["b", "a"]),
        (RunFilter(study="study", plan="plan1", status="ok", question="1"), ["a"]),
        (RunFilter(family=""), []),
    ],
)
def test_runs_are_found_newest_first(
    asked: Callable[[RunFilter], list[str]], which: RunFilter, found: list[str]
) -> None:
    assert asked(which) == found


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize(
    ("by", "found"),
    [
        (["model"], [("large", 3, 93), ("small", 3, 42)]),
        (["node"], [("solve", 3, 126), ("judge", 3, 9)]),
        (["plan", "node"], [("plan2", "solve", 2, 84), ("plan1", "solve", 1, 42), ("plan2", "judge", 2, 6)]),
    ],
)
def test_tokens_are_counted_once_by_what_is_named(store: Store, by: list[str], found: list[tuple[Any, ...]]) -> None:
    question = tokens_by(by, RunFilter())
    answer = store.query(question.sql, question.parameters)
    rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    assert [(*(row[name] for name in by), row["runs"], row["tokens"]) for row in rows][: len(found)] == found
    assert sum(row["tokens"] for row in rows) == 135
    assert sum(row["lost_tokens"] for row in rows) == 9


@pytest.mark.usefixtures("asked")
def test_scores_are_means_over_runs(store: Store) -> None:
    for name in COUNTED_BY:
        question = tokens_by([name], RunFilter(study="study"))
        answer = store.query(question.sql, question.parameters)
        assert sum(row[2] * row[1] for row in answer.rows) / sum(row[1] for row in answer.rows) == pytest.approx(0.5)


@pytest.mark.usefixtures("asked")
def test_names_are_known_by_their_beginnings(store: Store) -> None:
    def names(what: str, beginning: str) -> list[str]:
        question = names_that_begin(what, beginning)
        return sorted(name for (name,) in store.query(question.sql, question.parameters).rows)

    assert names("plan", "plan2") == ["plan2"]
    assert names("plan", "plan") == ["plan1", "plan2"]
    assert names("plan", "%") == []
    assert names("study", "st") == ["study"]
    assert store.query(STUDIES).rows[0][:1] == ("study",)


@pytest.mark.usefixtures("asked")
def test_verdicts_count_where_nodes_do_and_runs_without_calls_where_they_do_not(
    store: Store, row: Callable[..., Any]
) -> None:
    """By plan there would be a dearer plan for being judged, and a better one for failing before its first call."""
    spent = {"charged": Amount(50, 0, 2_000_000_000), "lost": Amount()}
    store.record(row(SpanRow, span_id="verdict", node="(judge)", kind="judge", run_id="a", **spent))
    store.record(row(CallRow, call_id="verdict", span_id="verdict", run_id="a", request_model="critic", **spent))
    store.record(row(RunRow, run_id="d", task_id="sum", plan_hash="plan1", status=Status.BUDGET, score=0.0))
    store.flush()

    def counted(*by: str) -> list[tuple[Any, ...]]:
        question = tokens_by(by, RunFilter(study="study"))
        answer = store.query(question.sql, question.parameters)
        rows = [dict(zip(answer.columns, found, strict=True)) for found in answer.rows]
        return [(*(found[name] for name in by), found["runs"], found["score"], found["tokens"]) for found in rows]

    assert counted("plan") == [("plan1", 2, 0.5, 45), ("plan2", 1, 0.0, 45)]
    assert "critic" not in [model for model, *_ in counted("model")]
    assert ("(judge)", 1, 1.0, 50) in counted("node")
    question = verdicts(RunFilter(study="study", part="fit", status="ok"))
    assert store.query(question.sql, question.parameters).rows == [(1, 50, 2.0)]


@pytest.mark.usefixtures("asked")
def test_pairs_come_with_the_newest_runs_last(store: Store, row: Callable[..., Any]) -> None:
    for name, plan, moment in (("old", "plan2", 1.5), ("new", "plan2", 9.0), ("older", "plan2", 0.5)):
        store.record(row(RunRow, run_id=name, task_id="sum", plan_hash=plan, started_at=moment))
    store.flush()
    answer = store.query(PLAN_PAIRS, ("plan1", "plan2"))
    assert [found[answer.columns.index("other_run_id")] for found in answer.rows] == ["older", "old", "new"]


@pytest.mark.usefixtures("asked")
def test_which_runs_are_of_the_test_part(store: Store, row: Callable[..., Any]) -> None:
    store.record(row(PartRow, task_id="sum"))
    store.flush()
    found = [is_of_test(run_id) for run_id in "abc"]
    assert [store.query(each.sql, each.parameters).rows for each in found] == [[(1,)], [], [(1,)]]
