"""What a role answers, in the shape of chat completions: whole, or as the events of a stream."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..models.request import Reply
from ..models.tools import calls_as_sent
from ..records.usage import Usage

__all__ = ["Answered", "events", "whole"]


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of one request of an app."""

    role: str
    """The name that the app asked for, which it is told as the model's."""
    model: str
    """The model of the pool that answered."""
    replies: tuple[Reply, ...]
    """One for each choice."""
    usage: Usage
    """Of all replies that were drawn for it, those that were outvoted included."""
    span_id: str = ""


def whole(answered: Answered) -> dict[str, Any]:
    """The JSON of a completion."""
    choices = [
        {"index": place, "message": _message(reply), "logprobs": None, "finish_reason": _finish(reply)}
        for place, reply in enumerate(answered.replies)
    ]
    return {**_head(answered, "chat.completion"), "choices": choices, "usage": _usage(answered.usage)}


def events(answered: Answered, *, include_usage: bool) -> Iterator[str]:
    """The events of a stream, each with its line end, up to `[DONE]`."""
    head = _head(answered, "chat.completion.chunk")
    for place, reply in enumerate(answered.replies):
        said = _message(reply)
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        if reply.text:
            deltas.append({"content": reply.text})
        if "tool_calls" in said:
            deltas.append({"tool_calls": [{"index": i, **call} for i, call in enumerate(said["tool_calls"])]})
        for delta in deltas:
            yield _event({**head, "choices": [{"index": place, "delta": delta, "finish_reason": None}]})
        yield _event({**head, "choices": [{"index": place, "delta": {}, "finish_reason": _finish(reply)}]})
    if include_usage:
        yield _event({**head, "choices": [], "usage": _usage(answered.usage)})
    yield "data: [DONE]\n\n"


def _event(content: dict[str, Any]) -> str:
    return f"data: {json.dumps(content, ensure_ascii=False, separators=(',', ':'))}\n\n"


def _head(answered: Answered, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{secrets.token_hex(12)}",
        "object": kind,
        "created": int(time.time()),
        "model": answered.role,
        "x_apportion": {"model": answered.model},
    }


def _message(reply: Reply) -> dict[str, Any]:
    said: dict[str, Any] = {"role": "assistant", "content": reply.text or None, "refusal": None}
    if reply.reasoning:
        said["reasoning_content"] = reply.reasoning
    if reply.tool_calls:
        calls = calls_as_sent(reply.tool_calls)
        said["tool_calls"] = [{**call, "id": call["id"] or f"call_{place}"} for place, call in enumerate(calls)]
    elif said["content"] is None:
        said["content"] = ""
    return said


def _finish(reply: Reply) -> str:
    if reply.tool_calls and reply.finish_reason == "stop":
        return "tool_calls"
    return "content_filter" if reply.finish_reason == "refusal" else reply.finish_reason


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
