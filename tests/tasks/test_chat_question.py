from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apportion.tasks.chat_question import ROLES, is_chat, messages_of, question_of

LINES = ["", "### user", "\\### user", "\\\\### system", "### users", " ### user", "text", "\\", "#", "\r"]

line = st.sampled_from(LINES)
content = st.lists(line, max_size=5).map("\n".join) | st.text(max_size=20)
message = st.fixed_dictionaries({"role": st.sampled_from(ROLES), "content": content})


@given(messages=st.lists(message, min_size=1, max_size=5))
@settings(max_examples=400, deadline=None)
def test_what_is_written_is_read_back(messages: list[dict[str, str]]) -> None:
    assert messages_of(question_of(messages)) == messages


@given(text=content)
@settings(deadline=None)
def test_any_text_reads_as_messages(text: str) -> None:
    assert all(found["role"] in ROLES for found in messages_of(text))


def test_the_form_is_the_one_that_is_documented() -> None:
    messages = [
        {"role": "system", "content": "Answer in one word."},
        {"role": "user", "content": "What is the capital of Italy?"},
    ]
    text = "### system\nAnswer in one word.\n\n### user\nWhat is the capital of Italy?"
    assert question_of(messages) == text
    assert question_of(messages[1:]) == "What is the capital of Italy?"
    assert question_of(messages[:1]) == "### system\nAnswer in one word."


def test_parts_of_text_are_one_text_and_fields_that_are_null_are_none() -> None:
    parts = [{"type": "text", "text": "a "}, {"type": "text", "text": "b"}]
    assert question_of([{"role": "user", "content": parts, "name": None}]) == "a b"


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([], "there are no messages"),
        (["hello"], "message 1 must be an object with role and content, not str"),
        ([{"role": "user", "content": "a"}, {"role": "critic", "content": "b"}], "message 2 has the role 'critic'"),
        ([{"role": "user", "content": None}], "message 1 must have a text as its content"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}], "only text can be asked"),
        ([{"role": "assistant", "content": "", "tool_calls": []}], "message 1 has the field 'tool_calls'"),
        ([{"content": "a"}], "has the role None; it must be one of system"),
    ],
)
def test_what_cannot_be_a_question_says_which_message_and_why(messages: list[Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        question_of(messages)


def test_what_looks_like_messages() -> None:
    assert is_chat([{"role": "user", "content": "a"}])
    assert not any(map(is_chat, ([], ["a"], {"role": "user", "content": "a"}, "a", [{"role": "user"}], None)))
