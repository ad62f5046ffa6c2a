from __future__ import annotations

from typing import Any

import pytest

from apportion.errors import GraphError, UnknownName
from apportion.graphs.edges import Each, Edge, Loop, forward_policy, round_bounds
from apportion.nodes.knob import Choice, adaptive, choose
from apportion.records.message import Forward


def test_names_are_as_plans_write_them() -> None:
    assert Edge("a", "b").name == "a->b"
    assert Loop("check", "solve").name == "check->solve"
    assert Each("s", "p", "m").pairs == (("s", "p"), ("p", "m"), ("s", "m"))


def test_forward_policies_by_their_words() -> None:
    chosen: Any = choose("full", "answer")
    assert forward_policy("answer", "edge") is Forward.ANSWER
    assert forward_policy(chosen, "edge") == Choice((Forward.FULL, Forward.ANSWER))
    with pytest.raises(UnknownName, match="forward policy of edge 'a->b' 'ful'; did you mean 'full'"):
        forward_policy("ful", "edge 'a->b'")


@pytest.mark.parametrize(("value", "bounds"), [(1, (1, 1)), (3, (1, 3)), (adaptive(2, 4), (2, 4))])
def test_the_fewest_and_the_most_rounds(value: Any, bounds: tuple[int, int]) -> None:
    assert round_bounds(value, "loop") == bounds


@pytest.mark.parametrize("value", [0, -1, True, 2.0, "2", None, adaptive(0, 3)])
def test_rounds_that_cannot_be(value: Any) -> None:
    with pytest.raises(GraphError, match="loop: rounds must be"):
        round_bounds(value, "loop")
