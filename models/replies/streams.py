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
    calls = delta.get("tool_calls")
    for piece in calls if isinstance(calls, list) else ():
        if isinstance(piece, dict):
            _add_call(message.setdefault("tool_calls", []), piece)


def _add_call(calls: list[dict[str, Any]], piece: dict[str, Any]) -> None:
    """Adds a piece of a tool call to the call of its number, or of its id where it has no number.

    Arguments come in pieces; what comes whole, as the name and the id, stands in the first one.
    """
    index, call_id = piece.get("index"), piece.get("id")
    if index is None:
        known = next((call for call in calls if call_id and call.get("id") == call_id), None)
        known = calls[-1] if known is None and calls and not call_id else known
    else:
        known = next((call for call in calls if call.get("index") == index), None)
    if known is None:
        calls.append({**piece, "function": dict(_object(piece.get("function")))})
        return
    for name, value in piece.items():
        if name != "function" and value:
            known[name] = value
    function = known["function"]
    for name, value in _object(piece.get("function")).items():
        grows = name == "arguments" and isinstance(value, str) and isinstance(function.get(name), str)
        if grows or (value and not function.get(name)):
            function[name] = function[name] + value if grows else value


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
