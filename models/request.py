"""What is asked of a model, and what it answers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any, Literal

from ..records.usage import Usage
from .tools import ToolCall, calls_from

__all__ = ["KEY_VERSION", "ChatMessage", "FinishReason", "Reply", "Request", "ToolChoice"]

FinishReason = Literal["stop", "length", "content_filter", "refusal"]
ToolChoice = Literal["auto", "none", "required"]
"""Whether a model may call tools; with "none" it is to answer, with "required" it is to call one."""

KEY_VERSION = 2
"""Of content addresses; replies that were stored under another are not found."""
_TO_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a conversation."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    """Of the assistant: the calls that it asked for in this turn."""
    tool_call_id: str = ""
    """Of the result of a tool: the call that it answers."""

    @property
    def in_key(self) -> list[Any]:
        """The message as a part of a content address."""
        if not (self.tool_calls or self.tool_call_id):
            return [self.role, self.content]
        return [self.role, self.content, [_fields(call) for call in self.tool_calls], self.tool_call_id]


@dataclass(frozen=True, slots=True)
class Request:
    """One completion that a node wants. One request is one sample."""

    model: str
    """The model's name in the pool."""
    messages: tuple[ChatMessage, ...]
    max_output_tokens: int
    """The most the model may write, hidden reasoning included."""
    temperature: float = 0.0
    seed: int = 0
    """Of the run; replicates of a run differ in it. Part of the content address, whether the endpoint takes it or not.
    """
    sample: int = 0
    """Which draw of the same request this is; part of the content address, so 16 stored samples answer any n <= 16."""
    source: str = ""
    """The node that draws, where there is something random in it: two nodes that ask the same draw for themselves."""
    stop: tuple[str, ...] = ()
    """Texts that end the completion; they are not part of the reply."""
    logprobs: bool = False
    """Whether to ask for the mean log-probability and the entropy of the first token."""
    effort_fields: str = ""
    """Request fields that say how hard to think (canonical JSON), see `Effort.fields`; empty means the model's own
    default. Part of the content address, so a reply never answers for what the same word meant before."""
    response_schema: str = ""
    """JSON schema (canonical JSON text) that the reply must follow, where the card says that the model can."""
    prefix: str = ""
    """How the reply begins, where the card says that the endpoint continues it; not part of the reply's text."""
    tools: str = ""
    """The tools that may be called (canonical JSON, the field `tools` of a chat completion), where the card says that
    the model takes tools."""
    tool_choice: ToolChoice = "auto"
    """Of a request with tools."""
    further: str = ""
    """Further fields of the caller's own (JSON), sent as they are; see `OF_A_CALLER` in `request_fields`."""

    def key(self, fingerprint: str, *, rung: int | None = None) -> str:
        """The content address under which the reply is cached.

        Args:
            fingerprint: of the model behind the name, so that a renamed or replaced model misses.
            rung: in place of the output cap, for replies that answer several caps, see `StoredReplies`.
        """
        content = _TO_JSON(
            [
                KEY_VERSION,
                fingerprint,
                [message.in_key for message in self.messages],
                self.max_output_tokens if rung is None else f"rung {rung}",
                self.temperature,
                self.seed,
                self.sample,
                self.source,
                self.stop,
                self.logprobs,
                self.effort_fields,
                self.response_schema,
                self.prefix,
                [self.tools, self.tool_choice] if self.tools else "",
                *([self.further] if self.further else []),
            ]
        )
        return hashlib.sha256(content.encode(errors="surrogatepass")).hexdigest()

    @property
    def conversation(self) -> tuple[ChatMessage, ...]:
        """The messages, and the beginning of the reply where there is one."""
        return (*self.messages, ChatMessage("assistant", self.prefix)) if self.prefix else self.messages

    def with_sample(self, sample: int) -> Request:
        """The same request, another draw."""
        return replace(self, sample=sample)


@dataclass(frozen=True, slots=True)
class Reply:
    """A model's answer to one request."""

    text: str
    finish_reason: FinishReason
    usage: Usage | None
    """None where the endpoint reported none, or nothing credible; the call is then charged at its bound."""
    mean_logprob: float | None = None
    """Mean log-probability (nats) of the tokens written, at temperature 1."""
    first_token_entropy: float | None = None
    """Entropy (nats) of the distribution of the first token written, at temperature 1."""
    reasoning: str = ""
    """Reasoning text that the endpoint returned apart from the answer."""
    response_model: str = ""
    response_id: str = ""
    pieces: tuple[str, ...] = ()
    """The text of each token written, where the model's truncation is exact; a token that ends the reply is empty."""
    logprobs: tuple[float, ...] = ()
    """The log-probability (nats) of each of these tokens at temperature 1, where they were asked for."""
    note: str = ""
    """What was odd about the reply or its usage, for the trace."""
    least_logprob: float | None = None
    """Log-probability (nats) of the least probable token written, at temperature 1, where the endpoint told."""
    tool_calls: tuple[ToolCall, ...] = ()
    """The calls of tools that it asks for, in order."""

    @property
    def said(self) -> str:
        """All that was written beside reasoning: the text, and the arguments of its calls."""
        return "".join((self.text, *(call.name + call.arguments for call in self.tool_calls)))

    def to_json(self) -> str:
        """The reply as it is cached."""
        usage = self.usage
        content = {name: getattr(self, name) for name in self.__slots__}  # dataclasses.asdict takes ten times as long
        if not self.pieces:
            del content["pieces"], content["logprobs"]
        for name in ("note", "least_logprob", "tool_calls"):
            if content[name] in ("", None, ()):
                del content[name]
        if self.tool_calls:
            content["tool_calls"] = [_fields(call) for call in self.tool_calls]
        if usage is not None:
            content["usage"] = {name: getattr(usage, name) for name in usage.__slots__}
        return _TO_JSON(content)

    @classmethod
    def from_json(cls, payload: str) -> Reply:
        """Reads what `to_json` wrote."""
        fields: dict[str, Any] = json.loads(payload)
        usage = fields.pop("usage")
        for name in ("pieces", "logprobs"):
            fields[name] = tuple(fields.get(name, ()))
        fields["tool_calls"] = calls_from(fields.get("tool_calls", ()))
        return cls(usage=None if usage is None else Usage(**usage), **fields)


def _fields(call: ToolCall) -> list[str]:
    return [call.name, call.arguments, call.call_id, call.extra]
