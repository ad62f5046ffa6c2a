from __future__ import annotations

import json
from typing import Any

import pytest

from apportion.budgets.cap import Cap
from apportion.graphs.graph import Graph
from apportion.models.card import ModelCard
from apportion.models.pool import Pool
from apportion.models.request import Request
from apportion.nodes.knob import ANY_MODEL
from apportion.nodes.solver import Solver
from apportion.optimizers.study.optimize import optimize
from apportion.optimizers.study.report import StudyReport
from apportion.records import Task
from apportion.testing.scripted import ScriptedModel

CARD: dict[str, Any] = {"provider": "scripted", "template_tokens": 2, "message_tokens": 2, "max_output_tokens": 200}


def study(unit: Any = "tokens", *, priced: bool = True) -> StudyReport:
    """Two models that answer as well as each other: one in few tokens that are dear, one in more that are cheap."""

    def right(request: Request) -> str:
        number = int("".join(filter(str.isdigit, request.messages[-1].content)))
        return f"Answer: {'yes' if number % 8 else 'no'}"

    def wordy(request: Request) -> str:
        return "word " * 12 + right(request)

    prices = {"short": 50.0, "long": 0.1} if priced else {"short": 0.0, "long": 0.0}
    models = [
        ScriptedModel(
            answer,
            name=name,
            card=ModelCard(name=name, input_usd_per_million=prices[name], output_usd_per_million=prices[name], **CARD),
        )
        for name, answer in (("short", right), ("long", wordy))
    ]
    graph = Graph("money")
    graph.add("solve", Solver(model=ANY_MODEL, max_output_tokens=120))
    tasks = [Task(question=f"Is {i} fine?", gold="yes") for i in range(160)]
    cap = Cap(total=160 * 1000.0 if unit == "tokens" else 5.0, unit=unit)
    return optimize(graph, tasks, Pool(models), cap=cap, spend=1e6, policies=("static_mix", "joint_safe"))


@pytest.fixture(scope="module")
def report() -> StudyReport:
    return study()


def test_dollars_stand_beside_tokens(report: StudyReport) -> None:
    (short,) = report.frontier
    assert short.validation.usd == pytest.approx(short.validation.cost * 50e-6, rel=1e-6)
    assert short.test is not None
    assert short.test.usd == pytest.approx(short.test.cost * 50e-6, rel=1e-6)
    told = json.loads(report.model_dump_json())
    assert told["frontier"][0]["validation"]["usd"] == short.validation.usd


def test_another_choice_by_money_is_said(report: StudyReport) -> None:
    assert report.best is not None
    assert report.best.plan["values"] == {"solve.model": "short"}
    found, own = report.by_money, report.best.validation
    assert found is not None
    assert found.plan_hash != report.chosen
    assert (found.validation.score, found.affordable) == (own.score, True)
    assert found.validation.cost > own.cost
    assert found.validation.usd == pytest.approx(found.validation.cost * 0.1e-6, rel=1e-6)


def test_nothing_is_said_without_prices_or_where_money_decided() -> None:
    free = study(priced=False)
    assert free.by_money is None
    assert {plan.validation.usd for plan in free.frontier} == {None}
    paid = study("usd")
    assert paid.by_money is None
    assert paid.best is not None
    assert paid.best.plan["values"] == {"solve.model": "long"}
