from __future__ import annotations

import dataclasses
from pathlib import Path

from apportion import Cap, Graph, Pool, Solver, Task, open_store
from apportion.records.rows import RunRow
from apportion.testing.scripted import ScriptedModel


def test_the_row_of_a_run_says_what_its_caller_is_told(tmp_path: Path) -> None:
    store = open_store(tmp_path / "runs.db")
    graph = Graph("g").add("solve", Solver(max_output_tokens=8))
    pool = Pool([ScriptedModel(lambda request: "42", name="said")])
    result = graph.run(Task(question="6*7?", gold="42"), pool=pool, cap=Cap(per_task=9_000), store=store)
    store.flush()
    row = store.run(result.run_id)
    assert row is not None
    same = {field.name for field in dataclasses.fields(RunRow)} & {field.name for field in dataclasses.fields(result)}
    assert {name: getattr(row, name) for name in same} == {name: getattr(result, name) for name in same}
    assert {"charged", "status", "stop_reason", "score", "abstained"} <= same
    assert row.started_at <= row.ended_at
    store.close()
