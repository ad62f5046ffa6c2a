from __future__ import annotations

import numpy as np
import pytest

from apportion.graphs.graph import Graph
from apportion.graphs.space import Space
from apportion.models.pool import Pool
from apportion.nodes.knob import choose
from apportion.nodes.solver import Solver
from apportion.nodes.verifier import Verifier
from apportion.optimizers.study.node_reasons import explain
from apportion.optimizers.tables.arms import arm_of
from apportion.optimizers.tables.cascades import cascade_arm
from apportion.optimizers.tables.table import UNANSWERED, Arm, Stage
from apportion.testing.scripted import ScriptedModel


@pytest.fixture
def space() -> Space:
    graph = Graph("told")
    graph.add("solve", Solver(samples=choose(1, 3), style="direct"))
    graph.add("second", Solver(model="large", style="direct"))
    graph.add("judge", Verifier())
    graph.connect("solve", "judge").connect("second", "judge", optional=True)
    return graph.space(Pool([ScriptedModel(lambda _: "1", name=name) for name in ("small", "large")]))


@pytest.fixture
def arms(space: Space) -> list[Arm]:
    """Cheap, three samples of the large model, and both nodes."""
    return [
        arm_of(space.plan({"solve.model": "small"}, []), space),
        arm_of(space.plan({"solve.model": "large", "solve.samples": 3}, []), space),
        arm_of(space.plan({"solve.model": "small"}), space),
    ]


def test_shares_of_models_knobs_edges_and_what_bound_them(space: Space, arms: list[Arm]) -> None:
    served = np.array([0, 0, 1, 2])
    planned = np.array([1, 0, 1, 2])
    unlimited = np.array([1, 1, 1, 2])
    reports = explain(space, arms, ["a", "a", "b", "b"], served=served, planned=planned, unlimited=unlimited)
    told = {report.node: report for report in reports}
    solve = told["solve"].everywhere
    assert solve.models == {"small": 0.75, "large": 0.25}
    assert solve.knobs == {"samples": {"1": 0.75, "3": 0.25}}
    assert (solve.bound.cap, solve.bound.price, solve.bound.capability) == (0.25, 0.25, 0.5)
    assert [use.family for use in told["solve"].families] == ["a", "b"]
    assert told["solve"].families[0].models == {"small": 1.0}
    second = told["second"].everywhere
    assert (second.active, second.models) == (0.25, {"large": 0.25})
    assert second.bound.capability == 1.0
    assert told["judge"].everywhere.edges == {"second->judge": 0.25}
    assert told["judge"].everywhere.models == {}


def test_questions_left_unanswered_leave_all_nodes_out(space: Space, arms: list[Arm]) -> None:
    nobody = np.array([UNANSWERED, 0])
    reports = explain(space, arms, ["", ""], served=nobody, planned=nobody, unlimited=np.array([1, 1]))
    solve = next(report for report in reports if report.node == "solve")
    assert solve.everywhere.active == 0.5
    assert solve.everywhere.bound.price == 1.0
    assert solve.families == ()


def test_a_cascade_is_told_by_its_first_stage_and_idle_nodes_not_at_all(space: Space, arms: list[Arm]) -> None:
    cascade = cascade_arm((Stage(arms[1].name, 0.5), Stage(arms[0].name, 0.0)))
    ones = np.zeros(3, np.intp)
    reports = explain(space, [cascade], ["", "", ""], served=ones, planned=ones, unlimited=ones, others=arms)
    assert [report.node for report in reports] == ["solve", "judge"]
    assert reports[0].everywhere.models == {"large": 1.0}
