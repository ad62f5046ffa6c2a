"""Completions that come as a stream of server-sent events, asked for or not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...records.text import encodable
from ..delta import CallPiece, Delta
from .failures import says_something
from .parts import Said, read_message

__all__ = ["DONE", "BrokenStream", "EventReader", "StreamedCompletion", "merged_stream"]

DONE = "[DONE]"
"""The data of the last event."""
_DECODER = json.JSONDecoder(strict=False)  # made once: `json.loads` would make one for every event
_PIECES = ("content", "reasoning_content", "reasoning", "thinking", "refusal")
_LINE_END = re.compile(rb"\r\n|\n|\r(?!$)")
_FIELDS = ("", "event", "id", "retry")


class BrokenStream(ValueError):
    """What came is no stream of events."""


class EventReader:
    """Finds the events in the bytes of a stream, wherever they are cut."""

    def __init__(self) -> None:
        self._rest = b""
        self._data = ""
        self._named = ""

    def feed(self, data: bytes) -> Iterator[Mapping[str, Any] | str]:
        """The events that are whole by now: JSON objects, or `DONE`. What is other JSON is passed over.

        Raises:
            BrokenStream: a line belongs to no event, or an event is not JSON.
        """
        *lines, self._rest = _LINE_END.split(self._rest + data)
        for line in lines:
            yield from self._line(line)

    def end(self) -> Iterator[Mapping[str, Any] | str]:
        """The events in what is left at the end; raises as `feed`."""
        rest, self._rest = self._rest, b""
        yield from self._line(rest.rstrip(b"\r"))
        yield from self._line(b"")

    def _line(self, line: bytes) -> Iterator[Mapping[str, Any] | str]:
        text = line.decode("utf-8-sig", errors="replace").strip()
        name, colon, value = text.partition(":")
        if name == "data":
            yield from self._found(f"{self._data}\n{value.strip()}" if self._data else value.strip())
        elif not text:
            if self._data:
                raise BrokenStream(f"an event is not JSON: {self._data[:200]!r}")
            self._named = ""
        elif text.startswith("{"):  # some servers break into a stream with a bare error
            yield from self._found(text)
        elif not colon or name not in _FIELDS:
            raise BrokenStream(f"a line belongs to no event: {text[:200]!r}")
        elif name == "event":
            self._named = value.strip()

    def _found(self, data: str) -> Iterator[Mapping[str, Any] | str]:
        """The event of some data, which may go on in the next line."""
        self._data = ""
        if data in ("", DONE):
            if data:
                yield DONE
            return
        try:
            event = _DECODER.decode(data)
        except (ValueError, RecursionError):
            self._data = data
            return
        if isinstance(event, dict):
            yield {"error": event} if self._named == "error" and "error" not in event else event


class StreamedCompletion:
    """The completion whose pieces are the events of a stream."""

    def __init__(self) -> None:
        self._merged: dict[str, Any] = {}
        self._message: dict[str, Any] = {}
        self._finish: object = None
        self._logprobs: list[Any] = []
        self._choice: object = None
        """The number of the choice that counts, once one has a text."""
        self._half = ""
        self.ended = False
        """Whether the last event has come."""
        self.failed = False
        """Whether an event was an error."""
        self.used = False
        """Whether the end of the reply has come, and then or later what it used."""

    @property
    def whole(self) -> bool:
        """Whether nothing is missing, as far as the endpoint says."""
        return self.ended or self._finish is not None

    @property
    def model(self) -> object:
        """The name that the endpoint gives for its model."""
        return self._merged.get("model")

    def add(self, event: Mapping[str, Any] | str) -> Delta:
        """Takes an event; returns what it says."""
        if isinstance(event, str):
            self.ended = True
            return Delta()
        self.failed = self.failed or says_something(event.get("error"))
        choice = self._of_choice(event.get("choices"))
        said = self._say(_said_in(choice))
        if said.text and self._choice is None:
            self._choice = choice.get("index", 0)
        self._finish = choice.get("finish_reason") or self._finish
        logprobs = choice.get("logprobs")
        if isinstance(logprobs, dict) and isinstance(logprobs.get("content"), list):
            self._logprobs += logprobs["content"]
        self._merged |= {name: value for name, value in event.items() if name != "choices" and value is not None}
        self.used = self.used or (self._finish is not None and isinstance(event.get("usage"), dict))
        return said

    def content(self) -> dict[str, Any]:
        """The completion as if it had come whole; an error stands in it with what came before."""
        choice = (
            {"message": self._message} if self.failed else {"message": self._message, "finish_reason": self._finish}
        )
        if self._logprobs:
            choice["logprobs"] = {"content": self._logprobs}
        return {**self._merged, "choices": [choice]}

    def _of_choice(self, choices: object) -> Mapping[str, Any]:
        """The choice that counts, the first with a text: one was asked for, and some gateways send calls as another."""
        listed = [each for each in choices if isinstance(each, dict)] if isinstance(choices, list) else []
        if self._choice is None:
            return next((each for each in listed if _said_in(each)), listed[0] if listed else {})
        ours = next((each for each in listed if each.get("index", 0) == self._choice), None)
        if ours is None:
            called = next((calls for each in listed if (calls := _said_in(each).get("tool_calls"))), None)
            return {"delta": {"tool_calls": called}} if called else {}
        return ours

    def _say(self, delta: Mapping[str, Any]) -> Delta:
        """Adds a piece of a message; texts and lists of parts grow."""
        message = self._message
        new = {name: delta[name] for name in _PIECES if isinstance(delta.get(name), str | list)}
        for name, piece in new.items():
            message[name] = message[name] + piece if type(message.get(name)) is type(piece) else piece
        calls = delta.get("tool_calls")
        pieces = [piece for piece in calls if isinstance(piece, dict)] if isinstance(calls, list) else []
        added = tuple(_add_call(message.setdefault("tool_calls", []), piece) for piece in pieces)
        plain = new.get("content") if len(new) == 1 else None  # as nearly all are
        said = Said(plain) if isinstance(plain, str) else read_message(new) if new else Said("")
        text, self._half = _whole_characters(self._half + said.answer)
        return Delta(text, encodable(said.reasoning), encodable(said.refusal), added)


def merged_stream(text: str) -> dict[str, Any] | None:
    """The completion whose pieces are the events of a stream; None where the text is no such stream, or broke off.

    An error is returned with what came before it.
    """
    reader, completion = EventReader(), StreamedCompletion()
    try:
        for events in (reader.feed(text.encode(errors="replace")), reader.end()):
            for event in events:
                completion.add(event)
                if completion.failed:
                    return completion.content()
    except BrokenStream:
        return None
    return completion.content() if completion.whole else None


def _said_in(choice: Mapping[str, Any]) -> Mapping[str, Any]:
    """The message of a choice, or the piece of it; as a text in the shape of the older completions."""
    text = choice.get("text")
    found = {"content": text} if isinstance(text, str) else choice.get("delta") or choice.get("message")
    return found if isinstance(found, dict) else {}


def _whole_characters(text: str) -> tuple[str, str]:
    """A text without the half of a character at its end, whose other half may come; and that half."""
    end = len(text) - 1 if text and "\ud800" <= text[-1] <= "\udbff" else len(text)
    return encodable(text[:end]), text[end:]


def _add_call(calls: list[dict[str, Any]], piece: dict[str, Any]) -> CallPiece:
    """Adds a piece of a tool call to the call of its number, or of its id where it has no number.

    Arguments come in pieces; what comes whole, as the name and the id, stands in the first one.
    """
    index, call_id = piece.get("index"), piece.get("id")
    if index is None:
        known = next((call for call in calls if call_id and call.get("id") == call_id), None)
        known = calls[-1] if known is None and calls and not call_id else known
    else:
        known = next((call for call in calls if call.get("index") == index), None)
    function = _object(piece.get("function"))
    if known is None:
        calls.append({**piece, "function": dict(function)})
        return _piece(len(calls) - 1, piece, function)
    place = next(number for number, call in enumerate(calls) if call is known)
    first = {name: value for name, value in piece.items() if name != "function" and value and not known.get(name)}
    known.update({name: value for name, value in piece.items() if name != "function" and value})
    added: dict[str, Any] = {}
    whole = known["function"]
    for name, value in function.items():
        grows = name == "arguments" and isinstance(value, str) and isinstance(whole.get(name), str)
        if grows or (value and not whole.get(name)):
            whole[name] = whole[name] + value if grows else value
            added[name] = value
    return _piece(place, first, added)


def _piece(place: int, call: Mapping[str, Any], function: Mapping[str, Any]) -> CallPiece:
    """What a reader is told of it."""
    name, call_id, extra = function.get("name"), call.get("id"), call.get("extra_content")
    arguments = function.get("arguments")
    if arguments is not None and not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    return CallPiece(
        place,
        encodable(name) if isinstance(name, str) else "",
        encodable(arguments or ""),
        encodable(call_id) if isinstance(call_id, str) else "",
        encodable(json.dumps(extra, ensure_ascii=False)) if isinstance(extra, dict) and extra else "",
    )


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
