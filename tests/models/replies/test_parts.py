from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apportion.models.replies.parts import Said, read_message

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "text", "content", "x"]), inner)
    ),
    max_leaves=12,
)


def nested(levels: int) -> Any:
    value: Any = "deep"
    for _ in range(levels):
        value = [{"type": "text", "text": value}]
    return value


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"content": "four"}, Said("four")),
        ("four", Said("four")),
        ({"content": None}, Said("")),
        ({"content": []}, Said("")),
        ({"content": "four", "reasoning_content": "hm"}, Said("four", "hm")),
        ({"content": "four", "reasoning": "hm"}, Said("four", "hm")),
        ({"content": "four", "thinking": "hm"}, Said("four", "hm")),
        ({"content": "four", "reasoning": {"content": "hm", "tokens": 3}}, Said("four", "hm")),
        ({"content": "four", "reasoning_content": "", "reasoning": "hm"}, Said("four", "hm")),
        # OpenRouter says the same twice.
        (
            {"content": "four", "reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
            Said("four", "hm"),
        ),
        (
            {
                "content": "four",
                "reasoning_details": [
                    {"type": "reasoning.summary", "summary": "h"},
                    {"type": "reasoning.text", "text": "m"},
                    {"type": "reasoning.encrypted", "data": "x"},
                ],
            },
            Said("four", "hm"),
        ),
        (
            {"content": "four", "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "s"}]},
            Said("four", "hm"),
        ),
        # Anthropic's compatibility layers, Mistral, Databricks, Gemini.
        ({"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "four"}]}, Said("four", "hm")),
        (
            {
                "content": [
                    {"type": "text", "text": "fo"},
                    {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                    {"type": "text", "text": "ur"},
                ]
            },
            Said("four", "hm"),
        ),
        (
            {
                "content": [
                    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
                    {"type": "text", "text": "four"},
                ]
            },
            Said("four", "hm"),
        ),
        ({"content": {"parts": [{"text": "hm", "thought": True}, {"text": "four"}]}}, Said("four", "hm")),
        ({"content": [{"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": "four"}]}, Said("four")),
        ({"content": [{"type": "TEXT", "text": "four"}]}, Said("four")),
        ({"content": [{"type": "refusal", "refusal": "no"}]}, Said("", refusal="no")),
        ({"content": None, "refusal": "no"}, Said("", refusal="no")),
        # A part of unknown type counts where there is nothing else.
        ({"content": [{"type": "paragraph", "text": "four"}]}, Said("four")),
        (
            {"content": [{"type": "citation", "text": "[1]"}, {"type": "text", "text": "four"}]},
            Said("four", skipped=("citation",)),
        ),
        # A JSON mode that has parsed its reply already.
        ({"content": 42}, Said("42")),
        ({"content": {"answer": 42}}, Said('{"answer": 42}')),
        ({"content": [1, 2]}, Said("[1, 2]")),
        ({"content": [{"name": "Zoë"}]}, Said('[{"name": "Zoë"}]')),
    ],
)
def test_messages(message: object, said: Said) -> None:
    assert read_message(message) == said


@given(JSON)
@example(nested(200))
@example({"reasoning": nested(200), "content": {"type": "text", "text": nested(9)}})
def test_any_message_is_read(message: object) -> None:
    said = read_message(message)
    assert all(isinstance(text, str) for text in (said.answer, said.reasoning, said.refusal))


@given(st.text())
def test_a_text_is_read_as_it_is(text: str) -> None:
    assert read_message({"content": text}).answer == text
    assert read_message({"content": [{"type": "text", "text": text}]}).answer == text
    assert json.loads(read_message({"content": {"x": text}}).answer) == {"x": text}
