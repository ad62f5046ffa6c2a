from __future__ import annotations

import pytest

from apportion.graphs.knob_name import KnobName


@pytest.mark.parametrize(
    ("text", "place", "reader", "of_node", "of_rounds"),
    [
        ("solve.rounds", "solve", "solve", True, False),
        ("a->b.forward", "a->b", "b", False, False),
        ("check->solve.rounds", "check->solve", "solve", False, True),
        ("check->solve.forward", "check->solve", "solve", False, False),
    ],
)
def test_a_name_is_taken_apart(text: str, place: str, reader: str, of_node: bool, of_rounds: bool) -> None:
    name = KnobName.of(text)
    assert str(name) == text
    assert (name.place, name.reader, name.of_node, name.of_rounds) == (place, reader, of_node, of_rounds)
