"""Replies as chat completions: whole, or in chunks."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from ...records.usage import Usage
from ..delta import CallPiece, Delta
from ..request import Reply
from ..tools import ToolCall

__all__ = ["CompletionWriter", "Json"]

Json: TypeAlias = dict[str, Any]


class CompletionWriter:
    """Writes the completion of one request.

    Args:
        model: the name that the client asked for.
        include_usage: whether a stream ends with what was used.
        further: fields that every part of it has.
    """

    def __init__(self, model: str, *, include_usage: bool = False, further: Mapping[str, Any] | None = None) -> None:
        self._head: Json = {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": model,
            **(further or {}),
        }
        self._include_usage = include_usage
        self._called: dict[tuple[int, int], str] = {}
        """The id of each call, by the index of its choice and its own."""

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
        return self.completion([self.choice(reply)], reply.usage, beside)

    def choice(self, reply: Reply, index: int = 0, logprobs: Mapping[str, Any] | None = None) -> Json:
        """A reply as one of the choices."""
        message: Json = {"role": "assistant", "content": reply.text, "refusal": None}
        if reply.finish_reason == "refusal":
            message |= {"content": None, "refusal": reply.text}
        if reply.reasoning:
            message["reasoning_content"] = reply.reasoning
        if reply.tool_calls:
            calls = [self._call((index, number), call) for number, call in enumerate(reply.tool_calls)]
            message |= {"content": reply.text or None, "tool_calls": calls}
        return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": _finish(reply)}

    def completion(self, choices: Sequence[Json], usage: Usage | None, beside: Mapping[str, Any] | None = None) -> Json:
        """All choices at once."""
        used = {} if usage is None else {"usage": _usage(usage)}
        return {**self._head, "object": "chat.completion", "choices": list(choices), **used, **(beside or {})}

    def first(self, index: int = 0) -> Json:
        """The chunk that begins a choice of a stream."""
        return self._chunk({"role": "assistant", "content": "", "refusal": None}, index)

    def delta(self, delta: Delta, index: int = 0, logprobs: Mapping[str, Any] | None = None) -> Json:
        """The chunk of a delta."""
        content: Json = {"content": delta.text} if delta.text else {}
        if delta.reasoning:
            content["reasoning_content"] = delta.reasoning
        if delta.refusal:
            content["refusal"] = delta.refusal
        if delta.calls:
            content["tool_calls"] = [self._piece(index, piece) for piece in delta.calls]
        return self._chunk(content, index, logprobs)

    def last(self, reply: Reply, beside: Mapping[str, Any] | None = None) -> Iterator[Json]:
        """The chunks that end a stream, once the whole reply is known; arguments as of `whole`."""
        yield self.end(reply) | (dict(beside or {}))
        if self._include_usage:
            yield self.used(reply.usage, beside)

    def end(self, reply: Reply, index: int = 0, logprobs: Mapping[str, Any] | None = None) -> Json:
        """The chunk that ends a choice."""
        return self._chunk({}, index, logprobs, _finish(reply))

    def used(self, usage: Usage | None, beside: Mapping[str, Any] | None = None) -> Json:
        """The chunk that says what a stream used."""
        used = None if usage is None else _usage(usage)
        return {**self._head, "object": "chat.completion.chunk", "choices": [], "usage": used, **(beside or {})}

    def _chunk(
        self,
        delta: Json,
        index: int,
        logprobs: Mapping[str, Any] | None = None,
        finish_reason: str | None = None,
    ) -> Json:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
        chunk = {**self._head, "object": "chat.completion.chunk", "choices": [choice]}
        return chunk | {"usage": None} if self._include_usage else chunk

    def _call(self, place: tuple[int, int], call: ToolCall) -> Json:
        found = {"id": self._id(place, call.call_id), "type": "function"}
        return {**found, "function": {"name": call.name, "arguments": call.arguments}, **_extra(call.extra)}

    def _piece(self, choice: int, piece: CallPiece) -> Json:
        function: Json = {"arguments": piece.arguments}
        if (choice, piece.index) in self._called:
            return {"index": piece.index, "function": function}
        call_id = self._id((choice, piece.index), piece.call_id)
        begun = {"index": piece.index, "id": call_id, "type": "function"}
        return {**begun, "function": {"name": piece.name, **function}, **_extra(piece.extra)}

    def _id(self, place: tuple[int, int], given: str) -> str:
        """The id of a call; clients need one to answer it."""
        return self._called.setdefault(place, given or f"call_{self.id[-16:]}_{'_'.join(map(str, place))}")


def _usage(usage: Usage) -> Json:
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
