"""How a provider streams a completion, for better or worse."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Streaming", "events_of", "send_stream"]

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Streaming:
    """How streams are sent; places count events from 0."""

    piece: int = 4
    """Characters of a piece."""
    usage: Literal["end", "early", "each", "never"] = "end"
    """Where the usage stands: behind the reply where it was asked for, in its first event, in every event as counted by
    then, or nowhere."""
    done: bool = True
    """Whether the last event is `[DONE]`."""
    cut_at: int | None = None
    """Before which event the connection is closed."""
    stall_at: int | None = None
    """Before which event nothing more comes."""
    malformed_at: int | None = None
    """Which event is no JSON."""
    error_at: int | None = None
    """In place of which event an error comes, which ends the stream."""
    endless: bool = False
    """Whether the text is repeated for ever."""
    pause: float = 0.0
    """Seconds between events."""


def events_of(completion: Event, how: Streaming, *, usage_asked: bool = True) -> Iterator[Event]:
    """The events of a completion, without the last."""
    head = {name: value for name, value in completion.items() if name not in ("choices", "usage")}
    head["object"] = "chat.completion.chunk"
    usage = completion.get("usage")
    choices = completion.get("choices") or []
    for number, choice in enumerate(choices):
        deltas = list(_deltas(choice.get("message") or {}, how.piece))
        for place, delta in enumerate(deltas):
            event = {**head, "choices": [{"index": number, "delta": delta, "finish_reason": None}]}
            if how.usage == "early" and place == 0:
                event["usage"] = usage
            if how.usage == "each" and usage:
                event["usage"] = {**usage, "completion_tokens": min(place, usage["completion_tokens"])}
            yield event
        while how.endless:
            yield {**head, "choices": [{"index": number, "delta": {"content": "more "}, "finish_reason": None}]}
        yield {**head, "choices": [{"index": number, "delta": {}, "finish_reason": choice.get("finish_reason")}]}
    if usage is not None and ((how.usage == "end" and usage_asked) or how.usage == "each"):
        yield {**head, "choices": [], "usage": usage}


def _deltas(message: Event, piece: int) -> Iterator[Event]:
    yield {"role": "assistant", "content": ""}
    for name in ("reasoning_content", "content", "refusal"):
        value = message.get(name)
        if isinstance(value, str):
            yield from ({name: value[place : place + piece]} for place in range(0, len(value), piece))
        elif value is not None:
            yield {name: value}
    for index, call in enumerate(message.get("tool_calls") or ()):
        function = call["function"]
        begun = {**call, "index": index, "function": {"name": function["name"], "arguments": ""}}
        yield {"tool_calls": [begun]}
        for place in range(0, len(function["arguments"]), piece):
            part = function["arguments"][place : place + piece]
            yield {"tool_calls": [{"index": index, "function": {"arguments": part}}]}


async def send_stream(writer: asyncio.StreamWriter, completion: Event, how: Streaming, *, usage_asked: bool) -> bool:
    """Sends a completion; False where the connection is to be closed behind it."""
    writer.write(b"HTTP/1.1 200 Told\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
    for place, event in enumerate(events_of(completion, how, usage_asked=usage_asked)):
        if place == how.cut_at:
            return False
        if place == how.stall_at:
            await writer.drain()
            await asyncio.Event().wait()
        data = json.dumps(event)
        if place == how.malformed_at:
            data = data[: len(data) // 2]
        if place == how.error_at:
            data = json.dumps({"error": {"message": "upstream is away", "code": 502}})
        await _send_event(writer, data)
        if place == how.error_at:
            return False
        await asyncio.sleep(how.pause)
    if how.done:
        await _send_event(writer, "[DONE]")
    writer.write(b"0\r\n\r\n")
    await writer.drain()
    return True


async def _send_event(writer: asyncio.StreamWriter, data: str) -> None:
    event = f"data: {data}\n\n".encode()
    writer.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
    await writer.drain()
