"""What a provider writes and bills for a request, as a chat completion in every shape."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .behaviours import UNBILLED, Behaviour

__all__ = ["Completion", "Provider", "event_stream"]

Reply = str | Mapping[str, Any]
"""The text of a reply, or its whole message."""
_PAGE_TOKENS = 300
"""What a template tells a model of tools."""
OVERRUN_TOKENS = 2826
"""What a gateway wrote for a cap of 30."""


@dataclass(frozen=True, slots=True)
class Completion:
    """A body and what it cost."""

    behaviour: Behaviour
    body: Mapping[str, Any]
    billed_tokens: int


class Provider:
    """Completes requests and says what it would bill.

    Args:
        reply: makes the text of the reply from the request's body, or its whole message, such as one that calls tools.
        bytes_per_token: of its tokenizer, for prompt and reply.
        cap_fields: the request fields that cap its output.
        answers_as: the model that replies name; None for the one that was asked for, with a version.
    """

    def __init__(
        self,
        reply: Callable[[Mapping[str, Any]], Reply],
        bytes_per_token: int,
        cap_fields: tuple[str, ...],
        answers_as: str | None = None,
    ) -> None:
        self._answers_as = answers_as
        self._reply = reply
        self._bytes_per_token = bytes_per_token
        self._cap_fields = cap_fields

    def _tokens(self, text: str) -> int:
        return -(-len(text.encode(errors="surrogatepass")) // self._bytes_per_token)

    def complete(self, body: Mapping[str, Any], behaviour: Behaviour) -> Completion:
        """The completion of a request under a behaviour."""
        prompt = self.prompt_tokens(body)
        cap = next((body[field] for field in self._cap_fields if field in body), None)
        said = self._reply(body) if body.get("messages") else ""
        message = None if isinstance(said, str) else said
        full = said if isinstance(said, str) else (said.get("content") or "") + _calls(said)
        text = full
        if cap is not None and behaviour is not Behaviour.OVERRUN:
            text = full.encode()[: cap * self._bytes_per_token].decode(errors="ignore")
        output = self._tokens(text)
        if behaviour is Behaviour.OVERRUN:
            output = max(output, OVERRUN_TOKENS)
        if behaviour in (Behaviour.STARVED, Behaviour.SHORT_COUNT):
            output = cap or output
        if behaviour is Behaviour.STARVED:
            text = ""
        finish = "length" if text != full or behaviour in (Behaviour.STARVED, Behaviour.SHORT_COUNT) else "stop"
        billed = 0 if behaviour in UNBILLED else prompt + output
        rendered = dict(_render(body, behaviour, text, finish, prompt, output))
        if "model" in rendered and self._answers_as is not None:
            rendered["model"] = self._answers_as
        if message is not None and text == full and behaviour is Behaviour.OK:
            # What is cut in the middle of a call is left as a text.
            choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "tool_calls"}
            rendered = {**rendered, "choices": [choice]}
        return Completion(behaviour, rendered, billed)

    def prompt_tokens(self, body: Mapping[str, Any]) -> int:
        """What a request has in tokens: texts, calls of earlier turns, and tools with a page on how to call them."""
        messages = body.get("messages") or []
        tokens = 3 + sum(3 + self._tokens(str(message.get("content"))) for message in messages)
        tokens += sum(self._tokens(_calls(message)) for message in messages)
        if body.get("tools"):
            tokens += self._tokens(json.dumps(body["tools"], indent=4)) + _PAGE_TOKENS
        return tokens


def _calls(message: Mapping[str, Any]) -> str:
    functions = [call["function"] for call in message.get("tool_calls") or ()]
    return "".join(f"<call>{function['name']}{function['arguments']}</call>" for function in functions)


def _render(
    body: Mapping[str, Any], behaviour: Behaviour, text: str, finish: str, prompt: int, output: int
) -> Mapping[str, Any]:
    if behaviour is Behaviour.ERROR_BODY:
        return {"error": {"message": "upstream is away", "code": 502}}
    if behaviour is Behaviour.RATE_LIMIT_BODY:
        return {"error": {"message": "Rate limit exceeded", "code": 429}}
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if behaviour is Behaviour.PARTS:
        thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Let me think"}]}
        message["content"] = [thinking, {"type": "text", "text": text}]
    if behaviour is Behaviour.REFUSAL:
        message = {"role": "assistant", "content": None, "refusal": "I can't help with that."}
    if behaviour is Behaviour.NUMBER_CONTENT:
        message["content"] = 42
    if behaviour is Behaviour.STARVED:
        message["reasoning_content"] = "Let me think"
    if behaviour is Behaviour.CONTENT_FILTER:
        finish = "content_filter"
    if behaviour is Behaviour.OTHER_WORDS:
        return {
            "choices": [{"message": message, "finish_reason": {"stop": "STOP", "length": "MAX_TOKENS"}[finish]}],
            "usage": _usage(behaviour, prompt, output),
        }
    choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": finish}
    if behaviour is Behaviour.NULL_MESSAGE:
        choice["message"] = None
    if body.get("logprobs"):
        choice["logprobs"] = {"content": [_logprob(word) for word in text.split()]}
    rendered: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": f"{body.get('model')}-2026-01-01",
        "choices": {Behaviour.NULL_CHOICES: None, Behaviour.EMPTY_CHOICES: []}.get(behaviour, [choice]),
    }
    usage = _usage(behaviour, prompt, output)
    if usage is not None:
        rendered["usage"] = usage
    return rendered


def _logprob(word: str) -> Mapping[str, Any]:
    """A token written with probability 1/2, beside one other as likely."""
    half = -0.6931471805599453
    other = {"token": "other", "logprob": half, "bytes": None}
    return {"token": word, "logprob": half, "bytes": None, "top_logprobs": [{"token": word, "logprob": half}, other]}


def _usage(behaviour: Behaviour, prompt: int, output: int) -> Mapping[str, Any] | None:
    match behaviour:
        case Behaviour.NO_USAGE:
            return None
        case Behaviour.STRING_USAGE:
            return {"prompt_tokens": str(prompt), "completion_tokens": str(output), "total_tokens": "?"}
        case Behaviour.NULL_COUNTS:
            return {"prompt_tokens": None, "completion_tokens": None, "total_tokens": None}
        case Behaviour.NEGATIVE_USAGE:
            return {"prompt_tokens": prompt, "completion_tokens": -1, "total_tokens": prompt - 1}
        case Behaviour.FRACTION_USAGE:
            return {"prompt_tokens": prompt + 0.5, "completion_tokens": output, "total_tokens": prompt + output}
        case Behaviour.OUTPUT_USAGE:
            return {"completion_tokens": output}
        case Behaviour.TOTAL_USAGE:
            return {"total_tokens": prompt + output}
        case Behaviour.TINY_USAGE:
            output = min(output, 1)
        case Behaviour.SHORT_COUNT:
            output -= 1
    usage: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
    }
    if behaviour is Behaviour.STARVED:
        usage["completion_tokens_details"] = {"reasoning_tokens": output}
    return usage


def event_stream(completion: Mapping[str, Any]) -> bytes:
    """A completion as server-sent events: its text in two pieces, then how it ended and what it used."""
    (choice,) = completion["choices"]
    text, shared = choice["message"]["content"], {"id": completion["id"], "model": completion["model"]}
    half = len(text) // 2
    pieces: list[dict[str, Any]] = [
        {**shared, "choices": [{"index": 0, "delta": {"role": "assistant", "content": text[:half]}}]},
        {**shared, "choices": [{"index": 0, "delta": {"content": text[half:]}}]},
        {**shared, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]},
        {**shared, "choices": [], "usage": completion["usage"]},
    ]
    events = [f"data: {json.dumps(piece)}\n\n" for piece in pieces]
    return "".join([": keep-alive\n\n", *events, "data: [DONE]\n\n"]).encode()
