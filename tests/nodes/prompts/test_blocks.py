from __future__ import annotations

from typing import Any

import pytest

from apportion.nodes.prompts.blocks import field, following
from apportion.nodes.prompts.written import fences


def read(text: str) -> str | None:
    found = following(text, 0, tuple(fences(text)), lambda inner: f"({inner})")
    return None if found is None else found.answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (" 42", "42"),
        (" 42\nBecause it is.", "42"),
        ("\n\n42\n\nBecause.", "42"),
        (" red\nblue\n\ngreen", "red\nblue"),
        ("\n> red\n> blue", "red\nblue"),
        ("\n- red\n\n- blue\n\nDone.", "- red\n- blue"),
        ("\n---\n42", "42"),
        ("\n# 42", "42"),
        ("\n```python\n42\n```", "42"),
        ("\n```\n42\n```", "(42)"),
        (" Here it is:\n\n```\n42\n```", "(42)"),
        ("\nHere it is:\n```\n42\n```", "(42)"),
        ("\n$$\n42\n$$", "42"),
        ("\n\\[\n\\boxed{42}\n\\]", "42"),
        ('\n{"answer": 42}', "42"),
        ('\n{"a": 42}', '{"a": 42}'),
        (" The answer is\n42", "42"),
        ("\n# Explanation\n42", None),
        (" <answer only>", None),
        ("", None),
    ],
)
def test_what_follows_a_marker(text: str, answer: str | None) -> None:
    assert read(text) == answer


def test_where_an_answer_ends() -> None:
    text = "red\nblue\n\nDone."
    found = following(text, 0, (), str)
    assert found is not None
    assert text[found.start : found.end] == "red\nblue"
    assert found.closed(text)
    assert not found.closed("red\nblue\n")


@pytest.mark.parametrize(
    ("found", "answer"),
    [
        ({"answer": "42."}, "42"),
        ({"Final Answer": 42}, "42"),
        ({"answer": False}, "false"),
        ({"answer": ["a", "b"]}, "a, b"),
        ({"answer": [1, 2]}, "[1, 2]"),
        ({"answer": {"answer": 1}}, "1"),
        ({"answer": {"x": 1}}, '{"x": 1}'),
        ({"answer": None}, ""),
        ({"answer": "<answer>"}, ""),
        ({"reasoning": "x", "result": 42}, "42"),
        ({"a": 1, "b": 2, "result": 42}, ""),
        ({}, ""),
    ],
)
def test_the_field_of_an_object_that_answers(found: dict[str, Any], answer: str) -> None:
    assert field(found) == answer
