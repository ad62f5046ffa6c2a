from __future__ import annotations

import pytest

from apportion.nodes.parts import complaint, fill, part_bytes, placeholders
from apportion.records.message import Part


def test_fill_replaces_what_has_an_answer() -> None:
    assert fill("{p1}+{p2}+{p3}", {"p1": "40", "p2": "2"}) == "40+2+{p3}"


def test_an_answer_is_not_filled_in_again() -> None:
    assert fill("{p1} {p2}", {"p1": "{p2}", "p2": "{p1}"}) == "{p2} {p1}"


def test_answers_are_filled_in_whole() -> None:
    assert fill("sort {p1}", {"p1": "x" * 2000}) == "sort " + "x" * 2000


def test_placeholders_are_found_once() -> None:
    assert placeholders("{p2} { p3 } {p1}{p2} {}") == ("p2", "p1")


def test_a_part_may_be_as_long_as_the_question() -> None:
    assert part_bytes("short") == 256
    assert part_bytes("é" * 200) == 400


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ((), "no parts"),
        ((Part("p1", "a"),) * 2, "same name"),
        ((Part("p1", " "),), "asks nothing"),
        ((Part("p1", "a", ("p7",)),), "needs part p7"),
        ((Part("p1", "a", ("p2",)), Part("p2", "b", ("p1",))), "circle"),
        ((Part("p1", "a", ("p1",)),), "circle"),
        (tuple(Part(f"p{n}", "a") for n in range(5)), "5 parts"),
        ((Part("p1", "a" * 300),), "longer than 256"),
    ],
)
def test_parts_that_cannot_be_worked_off(parts: tuple[Part, ...], reason: str) -> None:
    assert reason in complaint(parts, "{p1}", 4, 256)


def test_parts_that_can() -> None:
    parts = (Part("p2", "b {p1}", ("p1",)), Part("p1", "a"))
    assert complaint(parts, "{p2}", 2, 256) == ""
