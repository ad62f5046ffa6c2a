from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.budgets.bounds import prompt_bound
from apportion.models.card import ModelCard
from apportion.models.request import ChatMessage
from apportion.models.system_role import SystemRole, as_sent, fields_as_sent
from apportion.models.tools import ToolCall
from apportion.records.text import longest_bytes


def talk(words: str) -> list[ChatMessage]:
    """From "system:s user:u": a message each."""
    pairs = (word.partition(":") for word in words.split())
    return [ChatMessage(role, text) for role, _, text in pairs]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("role", "sent"),
    [
        ("system", [("system", "s"), ("user", "u"), ("assistant", "a"), ("system", "t"), ("user", "v")]),
        ("developer", [("developer", "s"), ("user", "u"), ("assistant", "a"), ("developer", "t"), ("user", "v")]),
        ("user", [("user", "s\n\nu"), ("assistant", "a"), ("user", "t\n\nv")]),
        ("none", [("user", "s\n\nt\n\nu"), ("assistant", "a"), ("user", "v")]),
    ],
)
def test_how_instructions_are_sent(role: SystemRole, sent: list[tuple[str, str]]) -> None:
    assert as_sent(talk("system:s user:u assistant:a system:t user:v"), role) == sent


@pytest.mark.parametrize("role", ["user", "none"])
def test_instructions_without_a_user(role: SystemRole) -> None:
    assert as_sent(talk("system:s"), role) == [("user", "s")]
    assert as_sent(talk("assistant:a system:s"), role) == [("assistant", "a"), ("user", "s")]
    assert as_sent([], role) == []


MESSAGES = st.lists(
    st.builds(ChatMessage, st.sampled_from(["system", "user", "assistant"]), st.text(max_size=8)), max_size=6
)


@given(MESSAGES, st.sampled_from(get_args(SystemRole)), st.integers(0, 3))
def test_the_bound_of_a_prompt_holds_for_what_is_sent(
    messages: list[ChatMessage], role: SystemRole, message_tokens: int
) -> None:
    card = ModelCard(name="m", system_role=role, template_tokens=5, message_tokens=message_tokens)
    sent = as_sent(messages, role)
    worst = 5 + sum(longest_bytes(text) + message_tokens for _, text in sent)
    bound = prompt_bound(
        [message.content for message in messages], template_tokens=5, message_tokens=card.message_bound_tokens
    )
    assert worst <= bound
    assert sum(len(message.content) for message in messages) <= sum(len(text) for _, text in sent)


def test_a_card_that_tells_otherwise_is_another_model_for_the_cache() -> None:
    prints = {ModelCard(name="m", system_role=role).fingerprint for role in get_args(SystemRole)}
    assert len(prints) == 4


@pytest.mark.parametrize("role", ["system", "developer", "user", "none"])
def test_calls_of_tools_and_their_results_stand_alone_in_every_role(role: SystemRole) -> None:
    calls = (ToolCall("add", "{}", "1"), ToolCall("add", "[]", "2"))
    results = [ChatMessage("tool", text, tool_call_id=text) for text in "12"]
    messages = [*talk("system:s user:u assistant:a"), ChatMessage("assistant", "", calls), *results, *talk("user:v")]
    sent = fields_as_sent(messages, role)
    called, one, two, last = sent[-4:]
    assert called["content"] is None
    assert [call["id"] for call in called["tool_calls"]] == ["1", "2"]
    assert (one, two) == tuple({"role": "tool", "tool_call_id": text, "content": text} for text in "12")
    assert last == {"role": "user", "content": "v"}
    assert as_sent(messages, role)[-4:] == [("assistant", ""), ("tool", "1"), ("tool", "2"), ("user", "v")]
