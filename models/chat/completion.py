"""Replies as chat completions: whole, or in chunks."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from ...records.usage import Usage
from ..delta import CallPiece, Delta
from ..request import Reply
from ..tools import ToolCall

__all__ = ["CompletionWriter", "Json", "chunk_of", "head_of", "usage_of"]

Json: TypeAlias = dict[str, Any]


class CompletionWriter:
    """Writes the completion of one request.

    Args:
        model: the name that the client asked for.
        include_usage: whether a stream ends with what was used.
    """

    def __init__(self, model: str, *, include_usage: bool = False) -> None:
        self._head = head_of(model)
        self._include_usage = include_usage
        self._called: dict[int, str] = {}
        """The id of each call, by its index."""

    @property
    def id(self) -> str:
        """Of the completion."""
        return str(self._head["id"])

    def whole(self, reply: Reply, beside: Mapping[str, Any] | None = None) -> Json:
        """A reply at once.

        Args:
            reply: what was answered.
            beside: further fields of the completion.
        """
        message: Json = {"role": "assistant", "content": reply.text, "refusal": None}
        if reply.finish_reason == "refusal":
            message |= {"content": None, "refusal": reply.text}
        if reply.reasoning:
            message["reasoning_content"] = reply.reasoning
        if reply.tool_calls:
            calls = [self._call(index, call) for index, call in enumerate(reply.tool_calls)]
            message |= {"content": reply.text or None, "tool_calls": calls}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(reply)}
        usage = {} if reply.usage is None else {"usage": usage_of(reply.usage)}
        return {**self._head, "object": "chat.completion", "choices": [choice], **usage, **(beside or {})}

    def first(self) -> Json:
        """The chunk that begins a stream."""
        return self._chunk({"role": "assistant", "content": "", "refusal": None})

    def delta(self, delta: Delta) -> Json:
        """The chunk of a delta."""
        content: Json = {"content": delta.text} if delta.text else {}
        if delta.reasoning:
            content["reasoning_content"] = delta.reasoning
        if delta.refusal:
            content["refusal"] = delta.refusal
        if delta.calls:
            content["tool_calls"] = [self._piece(piece) for piece in delta.calls]
        return self._chunk(content)

    def last(self, reply: Reply, beside: Mapping[str, Any] | None = None) -> Iterator[Json]:
        """The chunks that end a stream, once the whole reply is known; arguments as of `whole`."""
        yield self._chunk({}, _finish(reply)) | (dict(beside or {}))
        if self._include_usage:
            usage = None if reply.usage is None else usage_of(reply.usage)
            yield {**self._head, "object": "chat.completion.chunk", "choices": [], "usage": usage, **(beside or {})}

    def _chunk(self, delta: Json, finish_reason: str | None = None) -> Json:
        return chunk_of(self._head, delta, finish_reason=finish_reason, include_usage=self._include_usage)

    def _call(self, index: int, call: ToolCall) -> Json:
        found = {"id": self._id(index, call.call_id), "type": "function"}
        return {**found, "function": {"name": call.name, "arguments": call.arguments}, **_extra(call.extra)}

    def _piece(self, piece: CallPiece) -> Json:
        function: Json = {"arguments": piece.arguments}
        if piece.index in self._called:
            return {"index": piece.index, "function": function}
        begun = {"index": piece.index, "id": self._id(piece.index, piece.call_id), "type": "function"}
        return {**begun, "function": {"name": piece.name, **function}, **_extra(piece.extra)}

    def _id(self, index: int, given: str) -> str:
        """The id of a call; clients need one to answer it."""
        return self._called.setdefault(index, given or f"call_{self.id[-16:]}_{index}")


def head_of(model: str, **further: object) -> Json:
    """What every part of a completion begins with."""
    return {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": model, **further}


def chunk_of(
    head: Mapping[str, Any],
    delta: Mapping[str, Any],
    *,
    index: int = 0,
    logprobs: Mapping[str, Any] | None = None,
    finish_reason: str | None = None,
    include_usage: bool = False,
) -> Json:
    """A chunk with one choice."""
    choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
    chunk = {**head, "object": "chat.completion.chunk", "choices": [choice]}
    return chunk | {"usage": None} if include_usage else chunk


def usage_of(usage: Usage) -> Json:
    """What was used, in OpenAI's names."""
    found: Json = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    }
    if usage.reasoning_tokens:
        found["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    if usage.cached_input_tokens:
        found["prompt_tokens_details"] = {"cached_tokens": usage.cached_input_tokens}
    return found


def _finish(reply: Reply) -> str:
    if reply.tool_calls and reply.finish_reason == "stop":
        return "tool_calls"
    return "stop" if reply.finish_reason == "refusal" else reply.finish_reason


def _extra(extra: str) -> Json:
    return {"extra_content": json.loads(extra)} if extra else {}
