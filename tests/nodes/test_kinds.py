from __future__ import annotations

from typing import Any

import pytest

from apportion.errors import GraphError, UnknownName
from apportion.nodes import KINDS, Kind, Solver, adaptive, choose, kind_of, kinds_with, node_from_json
from apportion.nodes.solver import KIND


class Other(Solver):
    pass


class Renamed(Solver):
    kind = "renamed"


def renamed() -> Kind[Any]:
    return Kind(config=Renamed, run=KIND.run, worst_case=KIND.worst_case)


def test_all_kinds_are_there_under_their_names() -> None:
    assert set(KINDS) == {
        *("agent", "decomposer", "function", "merger", "search", "solver", "symbolic_solver", "verifier"),
        *("app", "app_step", "role"),
    }
    assert all(name == kind.config.kind for name, kind in KINDS.items())


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        KINDS["mine"] = KIND  # type: ignore[index]


def test_own_kinds_are_added_to_a_new_table() -> None:
    table = kinds_with(renamed())
    assert kind_of(Renamed(), table).config is Renamed
    assert "renamed" not in KINDS
    with pytest.raises(GraphError, match="another node kind named 'solver'"):
        kinds_with(Kind(config=Other, run=KIND.run, worst_case=KIND.worst_case))


def test_a_node_must_be_of_its_kind() -> None:
    with pytest.raises(UnknownName, match="unknown node kind 'renamed'"):
        kind_of(Renamed())


@pytest.mark.parametrize(
    "node",
    [
        Solver(),
        Solver(model=choose("a", "b"), samples=choose(1, 5, adaptive(2, 9)), style=choose("direct", "think")),
    ],
)
def test_open_knobs_survive_json(node: Solver) -> None:
    assert node_from_json(node.canonical()) == node


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "sovler"}, "did you mean 'solver'"),
        ({"kind": None}, "needs the field 'kind'"),
        ({"version": 99}, "version 99"),
        ({"samples": 0}, r"field 'samples"),
        ({"sampels": 1}, r"unknown setting 'sampels'; did you mean 'samples'"),
        ({"samples": 10**30}, "field 'samples"),
        ({"samples": {"low": 1, "high": 10**9}}, "field 'samples"),
        ({"samples": {"choose": []}}, "field 'samples': .*at least one value"),
        ({"samples": {"choose": 3}}, "field 'samples': .*must be a list"),
        ({"samples": {"choose": [1, 1]}}, "field 'samples': .*same value twice"),
        ({"temperature": float("nan")}, "field 'temperature"),
    ],
)
def test_bad_json_names_what_is_wrong(change: dict[str, object], message: str) -> None:
    with pytest.raises((GraphError, UnknownName), match=message):
        node_from_json({**Solver().canonical(), **change})
