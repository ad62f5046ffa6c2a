"""Completions that come as an event stream though none was asked for, as some gateways always send them."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["merged_stream"]

_PIECES = ("content", "reasoning_content", "reasoning", "thinking", "refusal")


def merged_stream(text: str) -> dict[str, Any] | None:
    """The completion whose pieces are the events of a stream; None where the text is no such stream, or broke off.

    An error is returned with what came before it.
    """
    merged: dict[str, Any] = {}
    message: dict[str, Any] = {}
    finish, ended = None, False
    for line in text.splitlines():
        name, colon, data = line.strip().partition(":")
        if name != "data":
            if colon and name not in ("", "event", "id", "retry"):
                return None
            continue
        data = data.strip()
        if data in ("", "[DONE]"):
            ended = ended or bool(data)
            continue
        try:
            event = json.loads(data, strict=False)
        except (ValueError, RecursionError):
            return None
        if not isinstance(event, dict):
            continue
        if event.get("error"):
            return {**merged, **event, "choices": [{"message": message}]}
        choices = event.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        _add(message, choice.get("delta") or choice.get("message"))
        if isinstance(choice.get("text"), str):
            _add(message, {"content": choice["text"]})
        finish = choice.get("finish_reason") or finish
        merged |= {name: value for name, value in event.items() if name != "choices" and value is not None}
    if not ended and finish is None:
        return None
    return {**merged, "choices": [{"message": message, "finish_reason": finish}]}


def _add(message: dict[str, Any], delta: object) -> None:
    """Adds a piece of a message; texts and lists of parts grow."""
    if not isinstance(delta, dict):
        return
    for name in _PIECES:
        piece = delta.get(name)
        if isinstance(piece, str | list):
            message[name] = message[name] + piece if type(message.get(name)) is type(piece) else piece
