from __future__ import annotations

import json

import pytest

from apportion.errors import UsageError
from apportion.records.task import Task
from apportion.tasks.metric_json import json_fields
from apportion.testing.metric import MetricConformance

GOLD = {"name": "Ada Lovelace", "born": 1815, "work": {"field": "mathematics", "tags": ["notes", "engine"]}}


class TestConformance(MetricConformance):
    def metric(self) -> str:
        return "json_fields"

    def examples(self) -> list[tuple[Task, str, str]]:
        task = Task(question="Who?", gold=json.dumps(GOLD))
        return [(task, json.dumps({**GOLD, "more": 1}), json.dumps({**GOLD, "born": 1816}))]


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ({**GOLD, "name": "ada lovelace."}, 1.0),
        ({**GOLD, "born": 1815.0}, 1.0),
        ({**GOLD, "born": "1815"}, 0.8),
        ({**GOLD, "work": {"field": "mathematics", "tags": ["engine", "notes"]}}, 0.6),
        ({**GOLD, "work": None}, 0.4),
        ({**GOLD, "born": True}, 0.8),
        ([GOLD], 0.0),
        ("Ada", 0.0),
    ],
)
def test_it_is_the_share_of_the_fields(answer: object, score: float) -> None:
    assert json_fields(Task(question="?", gold=json.dumps(GOLD)), json.dumps(answer)) == pytest.approx(score)


def test_empty_fields_null_and_truth_are_values() -> None:
    task = Task(question="?", gold='{"a": [], "b": null, "c": true, "d": {}}')
    assert json_fields(task, '{"a": [], "b": null, "c": true, "d": {}}') == 1
    assert json_fields(task, '{"a": {}, "c": 1, "d": []}') == 0
    assert json_fields(task, '{"a": [], "b": null}') == 0.5


@pytest.mark.parametrize("gold", ["3", "{}", "[]", "no json", '"text"'])
def test_a_gold_answer_without_fields_is_refused(gold: str) -> None:
    with pytest.raises(UsageError, match="must be a JSON object or list"):
        json_fields(Task(question="?", gold=gold), "{}")


def test_hostile_depth_scores_nothing() -> None:
    assert json_fields(Task(question="?", gold='{"a": 1}'), '{"a":' * 100_000) == 0
    deep = json.dumps({"a": 1, "b": json.loads("[" * 500 + "]" * 500)})
    assert json_fields(Task(question="?", gold='{"a": 1}'), deep) == 1
