"""OpenAI's newer API of responses, as far as it is plain text: read as a chat completion, written from one."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from ...web.fields import NotServed, Strict, checked, invalid_value, json_object
from .completion import Json

__all__ = ["chat_body", "response_events", "response_of"]

_WITHOUT_EFFECT = frozenset(
    {
        "include",
        "max_tool_calls",
        "metadata",
        "parallel_tool_calls",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "store",
        "stream_options",
        "user",
    }
)
"""Fields that do not change a reply in plain text; nothing is stored that a client could ask for again."""
_NOT_SERVED: NotServed = {
    "background": ((False,), "asks for a reply later; replies come at once."),
    "context_management": (([],), "is not served."),
    "conversation": ((), "refers to what was stored; send the whole conversation in 'input'."),
    "moderation": ((), "is not served."),
    "previous_response_id": ((), "refers to what was stored; send the whole conversation in 'input'."),
    "prompt": ((), "refers to what was stored; write it into 'input'."),
    "service_tier": (("auto", "default"), "changes what a token costs."),
    "tool_choice": (("auto", "none"), "needs tools, which are served at /v1/chat/completions."),
    "tools": (([],), "is served at /v1/chat/completions."),
    "top_logprobs": ((0,), "is not passed on."),
    "truncation": (("disabled",), "would cut the conversation; send what is to be read."),
}


class _Part(Strict):
    """A part of a content; what an answer brought beside its text may be sent back."""

    type: Literal["input_text", "output_text", "refusal"]
    text: str | None = None
    refusal: str | None = None
    annotations: list[Any] | None = None
    logprobs: list[Any] | None = None


def _as_parts(content: object) -> object:
    return [{"type": "input_text", "text": content}] if isinstance(content, str) else content


def _as_items(given: object) -> object:
    return [{"role": "user", "content": given}] if isinstance(given, str) else given


class _Item(Strict):
    """A message of the conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[list[_Part], BeforeValidator(_as_parts)]
    type: Literal["message"] = "message"
    id: str | None = None
    status: str | None = None
    phase: str | None = None

    @property
    def text(self) -> str:
        return "\n".join((part.refusal if part.type == "refusal" else part.text) or "" for part in self.content)


class _Format(Strict):
    type: Literal["text"]


class _Text(Strict):
    format: _Format | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class _Reasoning(Strict):
    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None


_Items: TypeAlias = Annotated[list[_Item], Field(min_length=1), BeforeValidator(_as_items)]


class _Body(Strict):
    model: Annotated[str, Field(min_length=1)]
    input: _Items
    instructions: str | None = None
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: float | None = None
    top_p: float | None = None
    stream: bool | None = None
    text: _Text | None = None
    reasoning: _Reasoning | None = None


def chat_body(content: bytes) -> bytes:
    """The body of a request for a response as that of a chat completion.

    Raises:
        Refusal: it is not JSON, or a field is missing, unknown, of a wrong type or not served; the field is named.
    """
    given = json_object(content)
    body = checked(_Body, given, ignored=_WITHOUT_EFFECT, not_served=_NOT_SERVED)
    for place, item in enumerate(body.input):
        if any(part.type == "output_text" for part in item.content) and item.role != "assistant":
            raise invalid_value(f"input[{place}].content", "only the assistant has an output_text")
    told = [{"role": "system", "content": body.instructions}] if body.instructions else []
    chat: Json = {
        "model": body.model,
        "messages": told + [{"role": item.role, "content": item.text} for item in body.input],
        "max_completion_tokens": body.max_output_tokens,
        "temperature": body.temperature,
        "top_p": body.top_p,
        "reasoning_effort": None if body.reasoning is None else body.reasoning.effort,
        "verbosity": None if body.text is None else body.text.verbosity,
    }
    if isinstance(given.get("metadata"), dict):
        chat["metadata"] = given["metadata"]
    if body.stream:
        chat |= {"stream": True, "stream_options": {"include_usage": True}}
    return json.dumps({name: value for name, value in chat.items() if value is not None}).encode()


def response_of(completion: Mapping[str, Any]) -> Json:
    """A chat completion as a response."""
    (choice,) = completion["choices"]
    message = choice["message"]
    text, refusal = message.get("content") or "", message.get("refusal")
    part = {"type": "refusal", "refusal": refusal} if refusal else _text_part(text)
    response = _head(completion) | {"status": "completed", "output": [_item(completion, [part], "completed")]}
    if choice["finish_reason"] in ("length", "content_filter"):
        reason = "max_output_tokens" if choice["finish_reason"] == "length" else "content_filter"
        response |= {"status": "incomplete", "incomplete_details": {"reason": reason}}
    if completion.get("usage") is not None:
        response["usage"] = _usage(completion["usage"])
    if "x_apportion" in completion:
        response["x_apportion"] = completion["x_apportion"]
    return response


async def response_events(chunks: AsyncGenerator[Mapping[str, Any], None]) -> AsyncGenerator[Json, None]:
    """The chunks of a chat completion, which end with its usage, as the events of a response."""
    number, texts, refusals = 0, [""], [""]
    whole: Json = {}

    def event(kind: str, **fields: Any) -> Json:
        nonlocal number
        number += 1
        return {"type": f"response.{kind}", "sequence_number": number - 1, **fields}

    async with aclosing(chunks):
        async for chunk in chunks:
            if not whole:
                whole = {**chunk, "choices": [{"finish_reason": None, "message": {}}]}
                begun = _head(whole) | {"status": "in_progress", "output": []}
                place = {"item_id": _item_id(whole), "output_index": 0, "content_index": 0}
                yield event("created", response=begun)
                yield event("in_progress", response=begun)
                yield event("output_item.added", output_index=0, item=_item(whole, [], "in_progress"))
                yield event("content_part.added", **place, part=_text_part(""))
            whole |= {name: chunk[name] for name in ("usage", "x_apportion") if chunk.get(name) is not None}
            for choice in chunk["choices"]:
                delta = choice["delta"]
                whole["choices"][0]["finish_reason"] = choice["finish_reason"] or whole["choices"][0]["finish_reason"]
                for kind, heap, name in (("output_text", texts, "content"), ("refusal", refusals, "refusal")):
                    if delta.get(name):
                        heap.append(delta[name])
                        more: Json = {"logprobs": []} if kind == "output_text" else {}
                        yield event(f"{kind}.delta", **place, delta=delta[name], **more)
    if not whole:  # the client left
        return
    whole["choices"][0]["message"] = {"content": "".join(texts), "refusal": "".join(refusals) or None}
    response = response_of(whole)
    (item,) = response["output"]
    (part,) = item["content"]
    if part["type"] == "refusal":
        yield event("refusal.done", **place, refusal=part["refusal"])
    else:
        yield event("output_text.done", **place, text=part["text"], logprobs=[])
    yield event("content_part.done", **place, part=part)
    yield event("output_item.done", output_index=0, item=item)
    yield event("incomplete" if response["status"] == "incomplete" else "completed", response=response)


def _head(completion: Mapping[str, Any]) -> Json:
    return {
        "id": f"resp_{_name(completion)}",
        "object": "response",
        "created_at": completion["created"],
        "model": completion["model"],
        "error": None,
        "incomplete_details": None,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": None,
    }


def _item(completion: Mapping[str, Any], content: Sequence[Mapping[str, Any]], status: str) -> Json:
    return {
        "id": _item_id(completion),
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": list(content),
    }


def _item_id(completion: Mapping[str, Any]) -> str:
    return f"msg_{_name(completion)}"


def _name(completion: Mapping[str, Any]) -> str:
    return str(completion["id"]).rpartition("-")[2]


def _text_part(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _usage(usage: Mapping[str, Any]) -> Json:
    return {
        "input_tokens": usage["prompt_tokens"],
        "input_tokens_details": {
            "cached_tokens": 0,
            "cache_write_tokens": 0,
            **(usage.get("prompt_tokens_details") or {}),
        },
        "output_tokens": usage["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": 0, **(usage.get("completion_tokens_details") or {})},
        "total_tokens": usage["total_tokens"],
    }
