from __future__ import annotations

import pytest

from apportion.models.model_names import is_named, plain_name


@pytest.mark.parametrize(
    ("name", "listed", "same"),
    [
        ("a", "A", True),
        ("gemini-2.5-flash", "models/gemini-2.5-flash", True),
        ("qwen3", "qwen3:latest", True),
        ("qwen3:8b", "qwen3:4b", False),
        ("deepseek/r1:free", "deepseek/r1", True),
        ("openai/gpt-4.1", "openai/*", True),
        ("a", "b", False),
    ],
)
def test_names_are_compared_without_what_endpoints_write_differently(name: str, listed: str, same: bool) -> None:
    assert is_named(name, listed) == same


def test_a_plain_name_has_no_tag_and_no_case() -> None:
    assert plain_name(" models/Qwen3:latest ") == "qwen3"
