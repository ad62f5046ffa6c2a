from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apportion.records import (
    AccountRow,
    Amount,
    CallRow,
    FactRow,
    Limit,
    PartRow,
    PlanRow,
    RunRow,
    SpanRow,
    Status,
    StudyRow,
    TaskRow,
    TrialRow,
    Usage,
)
from apportion.stores import Store, open_store

CALL = CallRow(
    call_id="call",
    run_id="run",
    span_id="span",
    reservation_id="reservation",
    attempt=1,
    request_key="ab" * 32,
    request_model="small",
    operation_name="chat",
    provider_name="openai",
    request_max_tokens=64,
    request_temperature=0.5,
    request_seed=7,
    sample_index=2,
    request_messages='[{"role":"user","content":"zwölf mal drei?"}]',
    started_at=100.0,
    ended_at=101.5,
    outcome=Status.OK,
    bound=Amount(90, 180, 270),
    charged=Amount(40, 80, 120),
    usage=Usage(30, 10, 4, 8, True),
    response_model="small-2026",
    response_id="id-1",
    finish_reason="stop",
    output_text="36",
    reasoning_text="three dozen",
)
SPAN = SpanRow(
    span_id="span",
    run_id="run",
    node="solve",
    kind="solver",
    round=1,
    part="which?",
    started_at=99.0,
    ended_at=102.0,
    status=Status.OK,
    charged=Amount(40, 80, 120),
    lost=Amount(1, 2, 3),
    answer="36",
    reason="",
    events='[{"vote":"36"}]',
    evidence='["a dozen is twelve"]',
)
RUN = RunRow(
    run_id="run",
    trial_id="trial",
    task_id="task",
    plan_hash="plan",
    graph_hash="graph",
    account_id="account",
    started_at=98.0,
    ended_at=103.0,
    status=Status.OK,
    stop_reason="",
    answer="36",
    score=1.0,
    charged=Amount(40, 80, 120),
    lost=Amount(1, 2, 3),
    latency=4.5,
    reason="",
    abstained=True,
    parent_account_id="study",
)
ROWS: dict[type, Any] = {
    CallRow: CALL,
    SpanRow: SPAN,
    RunRow: RUN,
    TaskRow: TaskRow("task", "chains", '{"question":"12*3"}'),
    PlanRow: PlanRow("plan", "graph", "{}", "flowchart LR"),
    TrialRow: TrialRow("trial", "study", "plan", "fit", 1, 20, 0.5, 0.9, Amount(1, 2, 3), Amount(4, 5, 6), "running"),
    PartRow: PartRow(1, "task", "test"),
    FactRow: FactRow("model", "breach", '{"reserved":30}', 11.0),
    StudyRow: StudyRow("study", "graph", "account", '{"seed":1}', 10.0, "running", 0),
}


@pytest.fixture
def row() -> Callable[..., Any]:
    """A row of a type, with the fields that matter to the test set."""
    return lambda of, /, **changes: replace(ROWS[of], **changes)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "books.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    """A store with an account `study` of 1,000 tokens and `task` below it."""
    with open_store(path) as opened:
        opened.open_account(AccountRow("study", None, Limit("tokens", 1000), "paid"))
        opened.open_account(AccountRow("task", "study"))
        yield opened
