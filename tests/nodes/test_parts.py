from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.nodes.parts import complaint, fill, part_bytes, parts_form, placeholders
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


@st.composite
def decompositions(draw: st.DrawFn) -> tuple[list[Part], str]:
    """Parts that refer to earlier ones, and a way to put them together."""
    parts: list[Part] = []
    for number in range(draw(st.integers(1, 5))):
        needs = draw(st.lists(st.sampled_from([part.name for part in parts]), unique=True)) if parts else []
        words = draw(st.text("ab 12+?", max_size=6))
        question = words + " ".join(f"{{{need}}}" for need in needs)
        parts.append(Part(f"p{number}", question, tuple(needs)))
    return parts, "-".join(f"{{{part.name}}}" for part in parts)


@given(decompositions(), st.integers(0, 99))
def test_neither_order_nor_names_of_parts_make_another_decomposition(made: tuple[list[Part], str], seed: int) -> None:
    parts, combine = made
    new = {part.name: f"x{number}" for number, part in enumerate(parts)}
    renamed = {name: f"{{{other}}}" for name, other in new.items()}
    others = [
        Part(new[part.name], fill(part.question, renamed).upper(), tuple(new[need] for need in part.needs))
        for part in parts
    ]
    others = [Part(p.name, p.question.replace("X", "x"), p.needs) for p in others]
    random.Random(seed).shuffle(others)
    assert parts_form(others, f" {fill(combine, renamed)} .") == parts_form(parts, combine)


def test_other_questions_or_another_way_to_put_them_together_is_another_decomposition() -> None:
    one, two = Part("p1", "12+30="), Part("p2", "7*6=")
    forms = {
        parts_form([one, two], "{p1}-{p2}"),
        parts_form([one, two], "{p2}-{p1}"),
        parts_form([one], "{p1}"),
        parts_form([one, Part("p2", "7*7=")], "{p1}-{p2}"),
        parts_form([one, two, Part("p3", "7*6=")], "{p1}-{p2}"),
        parts_form([one, Part("p2", "7*6=", ("p1",))], "{p1}-{p2}"),
    }
    assert len(forms) == 6


def test_parts_that_name_each_other_many_times_have_a_short_form() -> None:
    parts = [Part("p0", "x")]
    for number in range(1, 16):
        before = f"p{number - 1}"
        parts.append(Part(f"p{number}", f"{{{before}}}{{{before}}}", (before,)))
    assert len(parts_form(parts, "{p15}{p15}")) < 1000
