from __future__ import annotations

import json

from openai.types.chat import ChatCompletion, ChatCompletionChunk

from apportion.apps.completion import Answered, events, whole
from apportion.models.request import Reply
from apportion.models.tools import ToolCall
from apportion.records.usage import Usage

USAGE = Usage(7, 5, reasoning_tokens=2, cached_input_tokens=3)
SAID = Reply("hello", "stop", None)
CALLED = Reply("", "stop", None, tool_calls=(ToolCall("add", '{"left": 1}'), ToolCall("add", "{}", "mine")))


def test_a_completion_is_what_the_client_takes_for_one() -> None:
    answered = Answered("worker", "small", (SAID, Reply("", "refusal", None)), USAGE)
    completion = ChatCompletion.model_validate(whole(answered), strict=True)
    assert (completion.model, [choice.message.content for choice in completion.choices]) == ("worker", ["hello", ""])
    assert [choice.finish_reason for choice in completion.choices] == ["stop", "content_filter"]
    usage = completion.usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (7, 5, 12)
    assert whole(answered)["x_apportion"] == {"model": "small"}


def test_calls_have_ids_also_where_the_endpoint_gave_none() -> None:
    message = whole(Answered("worker", "small", (CALLED,), USAGE))["choices"][0]
    assert message["finish_reason"] == "tool_calls"
    assert [call["id"] for call in message["message"]["tool_calls"]] == ["call_0", "mine"]


def test_events_are_the_completion_in_pieces() -> None:
    *told, done = events(Answered("worker", "small", (SAID, CALLED), USAGE), include_usage=True)
    assert done == "data: [DONE]\n\n"
    chunks = [ChatCompletionChunk.model_validate(json.loads(event.removeprefix("data: "))) for event in told]
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices and c.choices[0].index == 0) == "hello"
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == [
        "stop",
        "tool_calls",
    ]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 12
    without = list(events(Answered("worker", "small", (SAID,), USAGE), include_usage=False))
    assert not any('"usage"' in event for event in without)
