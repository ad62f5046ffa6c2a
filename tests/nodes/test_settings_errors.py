"""What a user is told of a setting that does not fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, ClassVar, Self

import pytest
from pydantic import BaseModel, ValidationError, model_validator

from apportion import Solver, choose
from apportion.errors import GraphError, UsageError
from apportion.nodes.base import Node
from apportion.nodes.kinds import KINDS, node_from_json
from apportion.nodes.search import Search


class Paced(Node):
    kind: ClassVar[str] = "paced"
    steps: int = 1

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.steps == 13:
            raise ValueError("thirteen steps are too many; give 12")
        return self


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        (Solver, {"modle": "x"}, "Solver: unknown setting 'modle'; did you mean 'model'?"),
        (Solver, {"samples": 0}, "Solver, field 'samples': Input should be greater than or equal to 1; it is 0"),
        (Solver, {"samples": "many"}, r"Solver, field 'samples': Input should be a valid integer.*; it is 'many'"),
        (Solver, {"samples": choose(1, -1)}, "Solver, field 'samples'"),
        (Search, {}, "Search, field 'retriever': Field required$"),
        (Paced, {"steps": 13}, "Paced: thirteen steps are too many; give 12$"),
        (Paced, {"steps": "x" * 10_000}, r"Paced, field 'steps': .*; it is 'x{79}$"),
    ],
)
def test_a_setting_that_does_not_fit_is_named(kind: type[Node], settings: dict[str, Any], said: str) -> None:
    with pytest.raises(GraphError, match=said):
        kind(**settings)


class Holder(BaseModel):
    node: Solver


@pytest.mark.parametrize(
    "read",
    [
        lambda settings: Solver.model_validate(settings),
        lambda settings: Solver.model_validate_json(json.dumps(settings)),
        lambda settings: Holder.model_validate({"node": settings}),
    ],
    ids=["dict", "json", "in another"],
)
def test_it_is_the_same_error_on_every_way_in(read: Callable[[dict[str, Any]], object]) -> None:
    with pytest.raises(UsageError, match="Solver, field 'samples'"):
        read({"samples": 0})


def test_a_graph_file_is_told_so_too() -> None:
    with pytest.raises(GraphError, match="Solver: unknown setting 'sample'; did you mean 'samples'"):
        node_from_json({"kind": "solver", "version": Solver.version, "sample": 3}, KINDS)


def test_a_node_stays_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Solver().samples = 3
