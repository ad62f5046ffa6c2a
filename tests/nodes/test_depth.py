from __future__ import annotations

from itertools import pairwise

from apportion.nodes import Depth, Solver, kind_of
from apportion.nodes.depth import NO_REASONING


def test_depths_are_ordered_by_place_and_then_by_limit() -> None:
    ordered = [
        NO_REASONING,
        Depth(1, "direct"),
        Depth(1.5, "a word"),
        Depth(2, "draft", 64),
        Depth(2, "draft"),
        Depth(3, "think", 16),
        Depth(3, "think"),
    ]
    assert all(less < more for less, more in pairwise(ordered))


def test_the_name_is_for_people_only() -> None:
    assert Depth(3, "think") == Depth(3, "step by step")
    assert len({Depth(3, "think", 16), Depth(3, "long", 16)}) == 1
    assert [str(Depth(3, "think")), str(Depth(3, "think", 16))] == ["think", "think up to 16"]


def test_a_solver_stands_where_its_style_and_its_limit_put_it() -> None:
    def depth(**settings: object) -> str:
        node = Solver.model_validate({"model": "m", **settings})
        return str(kind_of(node).depth(node))

    assert depth(style="think") == "think"
    assert depth(style="draft", thinking_tokens=16) == "draft up to 16"
    assert depth(style="direct", thinking_tokens=16) == "direct"
