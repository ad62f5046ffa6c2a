from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from apportion.models.effort import Effort, in_order, place_of


def test_every_other_key_is_a_request_field() -> None:
    effort = Effort.model_validate(
        {"prompt": "/no_think", "max_output_tokens": 9, "thinking": {"b": 1, "a": None}, "chat_template_kwargs": {}}
    )
    assert effort.fields == '{"chat_template_kwargs":{},"thinking":{"a":null,"b":1}}'
    assert (effort.prompt, effort.max_output_tokens) == ("/no_think", 9)
    assert Effort(prompt="Think hard.").fields == ""


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"max_tokens": 10_000}, "'max_tokens' cannot be set by an effort: the output cap is the ledger's"),
        ({"max_completion_tokens": 10_000}, "lower it with `max_output_tokens`"),
        ({"n": 3}, "'n' cannot be set by an effort: it multiplies"),
        ({"stream": True}, "'stream' cannot be set by an effort"),
        ({"messages": []}, "'messages' cannot be set by an effort: every call sets it"),
        ({"model": "dearer"}, "'model' cannot be set"),
        ({"temperature": 2.0}, "'temperature' cannot be set"),
        ({"extra_body": {"n": 3}}, "'n' cannot be set by an effort"),
        ({"service_tier": "priority"}, "'service_tier' cannot be set by an effort: it changes what a token costs"),
        ({"extra_body": {"service_tier": "flex"}}, "it changes what a token costs"),
        ({"modalities": ["text", "audio"]}, "'modalities' cannot be set by an effort: replies are read as text"),
        ({"audio": {"voice": "alloy"}}, "replies are read as text"),
        ({"tool_choice": "required"}, "replies are read as text"),
        ({"function_call": "auto"}, "replies are read as text"),
        ({"tools": []}, "'tools' cannot be set by an effort"),
        ({"search_parameters": {"mode": "on"}}, "what it adds to the bill has no bound"),
        ({"enable_search": True}, "what it adds to the bill has no bound"),
        ({"api_key": "KEY"}, "a key does not belong in a file"),
        ({"since": date(2026, 1, 1)}, "'since' is sent as JSON"),
        ({"top_p": float("nan")}, "'top_p' is sent as JSON"),
        ({"max_output_tokens": 0}, "greater than 0"),
    ],
)
def test_what_an_effort_cannot_set(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        Effort.model_validate(fields)


def test_what_one_endpoint_nests_is_sent() -> None:
    nested = {"extra_body": {"google": {"thinking_config": {"thinking_budget": 0}}}}
    assert json.loads(Effort.model_validate(nested).fields) == nested


def test_usual_words_have_the_usual_order_and_others_that_of_the_card() -> None:
    assert in_order(["high", "off", "medium", "low"]) == ("off", "low", "medium", "high")
    assert in_order(["quick", "low", "deep"]) == ("quick", "low", "deep")
    assert [place_of(name, ["low", "high"]) for name in ("low", "high")] == [2, 4]
    assert place_of("high", ["high", "minimal", "low"]) == 4
    assert [place_of(name, ["quick", "deep"]) for name in ("quick", "deep")] == [1, 2]
