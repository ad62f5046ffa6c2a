from __future__ import annotations

import os
from pathlib import Path

import pytest

from apportion.errors import UsageError
from apportion.nodes.symbolic.process import Ended, OutOfTime
from apportion.records.task import Task
from apportion.tasks.metric_sql import SqlMetric
from apportion.tasks.own_process import OwnProcess

MEMORY = 512 * 1024**2
QUERY = {"path": "/none", "query": "SELECT 1", "seconds": 1.0}


def test_the_next_request_starts_another_after_an_end() -> None:
    process = OwnProcess(MEMORY, "apportion.tasks.sql_worker")
    for _ in range(2):
        assert process.ask(QUERY)["status"] == "failed"
        process.close()


def test_a_process_that_dies_over_a_request_says_so_and_is_followed_by_another() -> None:
    process = OwnProcess(MEMORY, "apportion.tasks.sql_worker")
    with pytest.raises(Ended):
        process.ask({"path": 3})
    assert process.ask(QUERY)["status"] == "failed"
    process.close()


def test_a_process_that_is_silent_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apportion.tasks.own_process._PATIENCE_SECONDS", 1.0)
    path = tmp_path / "pipe"
    os.mkfifo(path)
    process = OwnProcess(MEMORY, "apportion.tasks.sql_worker")
    with pytest.raises(OutOfTime):
        process.ask({"path": str(path), "query": "SELECT 1", "seconds": 60.0})
    monkeypatch.setattr("apportion.tasks.own_process._PATIENCE_SECONDS", 60.0)
    assert process.ask(QUERY)["status"] == "failed"
    process.close()


def test_where_none_can_be_started_nothing_is_graded_as_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "empty.sqlite"
    path.touch()
    metric, task = SqlMetric(), Task(question="?", gold="SELECT 1", metadata={"database": str(path), "metric": "sql"})
    assert metric(task, "SELECT 1") == 1
    metric.close()
    monkeypatch.setattr(metric, "_process", OwnProcess(MEMORY, "apportion.tasks.no_such_worker"))
    with pytest.raises(UsageError, match="cannot be started, so nothing is graded"):
        metric(task, "SELECT 1")
