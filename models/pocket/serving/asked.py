"""Reading the body of a request for chat completions: strictly, so that nothing is ignored that was meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from ....web.fields import Strict, checked, invalid_value, json_object, unsupported
from ....web.refusal import Refusal
from ...chat.fields import StopTexts, StreamOptions, TextPart, as_parts
from ...request import ChatMessage, ToolChoice
from ...tools import ToolCall
from .formats import ResponseFormat, Tool, ToolChoiceField, schema_asked, tools_asked

__all__ = ["SAMPLES", "Asked", "read_body"]

SAMPLES = 128
"""The most samples of one request."""

_WITHOUT_EFFECT = frozenset(
    {
        "metadata",
        "parallel_tool_calls",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "user",
    }
)
"""Fields that do not change what is asked for, whatever their value."""
_NOT_SERVED: Mapping[str, tuple[Any, ...]] = {
    "audio": (),
    "frequency_penalty": (0,),
    "function_call": ("none",),
    "functions": ([],),
    "logit_bias": ({},),
    "modalities": (["text"],),
    "moderation": (),
    "prediction": (),
    "presence_penalty": (0,),
    "reasoning_effort": (),
    "verbosity": ("medium",),
    "web_search_options": (),
}
"""Fields that ask for what the models do not do, with the values, beside null, that ask for nothing."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client wants."""

    model: str
    messages: tuple[ChatMessage, ...]
    n: int
    temperature: float
    top_p: float
    seed: int | None
    stop: tuple[str, ...]
    max_tokens: int | None
    top_logprobs: int | None
    """None where no log-probabilities are wanted, else how many of the likeliest tokens at each place."""
    stream: bool
    include_usage: bool
    schema: str = ""
    """That the reply must keep to, as JSON; empty where it is free."""
    tools: str = ""
    """See `Request.tools`; of a named tool, that alone."""
    tool_choice: ToolChoice = "auto"


def read_body(body: bytes) -> Asked:
    """Reads the body of a request.

    Raises:
        Refusal: it is not JSON, or a field is missing, unknown, of a wrong type, out of range or not served; the field
            is named.
    """
    content = json_object(body)
    for name, silent in _NOT_SERVED.items():
        if name in content and content[name] is not None and content[name] not in silent:
            raise _unsupported(name)
    ignored = _WITHOUT_EFFECT | _NOT_SERVED.keys()
    fields = checked(_Body, content, ignored=ignored)
    _check_together(fields)
    wanted = fields.top_logprobs or 0 if fields.logprobs else None
    tools, choice = tools_asked(fields.tools or (), fields.tool_choice)
    return Asked(
        model=fields.model,
        messages=tuple(map(_spoken, fields.messages)),
        n=1 if fields.n is None else fields.n,
        temperature=1.0 if fields.temperature is None else fields.temperature,
        top_p=1.0 if fields.top_p is None else fields.top_p,
        seed=fields.seed,
        stop=tuple(fields.stop or ()),
        max_tokens=fields.max_tokens if fields.max_completion_tokens is None else fields.max_completion_tokens,
        top_logprobs=wanted,
        stream=bool(fields.stream),
        include_usage=bool(fields.stream_options and fields.stream_options.include_usage),
        schema=schema_asked(fields.response_format),
        tools=tools,
        tool_choice=choice,
    )


class _Called(Strict):
    name: str
    arguments: str


class _Call(Strict):
    id: str
    type: Literal["function"] = "function"
    index: int | None = None
    function: _Called


class _Message(Strict):
    """One message; what an answer brought beside its text and its calls may be sent back, without effect."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Annotated[list[TextPart] | None, BeforeValidator(as_parts)] = None
    name: str | None = None
    refusal: str | None = None
    annotations: list[Any] | None = None
    audio: None = None
    function_call: None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None
    reasoning_content: str | None = None

    @property
    def text(self) -> str:
        return "\n".join(part.text for part in self.content or ())


class _Body(Strict):
    model: str
    messages: Annotated[list[_Message], Field(min_length=1)]
    n: Annotated[int, Field(ge=1, le=SAMPLES)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: StopTexts = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    response_format: ResponseFormat | None = None
    tools: Annotated[list[Tool], Field(max_length=128)] | None = None
    tool_choice: ToolChoiceField | None = None


_Speaker: TypeAlias = Literal["system", "user", "assistant", "tool"]
_SPOKEN_BY: Mapping[str, _Speaker] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}


def _spoken(said: _Message) -> ChatMessage:
    calls = tuple(ToolCall(call.function.name, call.function.arguments, call.id) for call in said.tool_calls or ())
    return ChatMessage(_SPOKEN_BY[said.role], said.text, calls, said.tool_call_id or "")


def _check_together(fields: _Body) -> None:
    """What a field may not say because of another."""
    if fields.max_tokens is not None and fields.max_completion_tokens is not None:
        raise invalid_value("max_tokens", "give either 'max_tokens' or 'max_completion_tokens', not both")
    if fields.top_logprobs is not None and not fields.logprobs:
        raise invalid_value("top_logprobs", "it needs 'logprobs' to be true")
    if fields.stream_options is not None and not fields.stream:
        raise invalid_value("stream_options", "it needs 'stream' to be true")
    if fields.stop and (fields.tools or (fields.response_format and fields.response_format.type != "text")):
        raise invalid_value(
            "stop", "it could cut JSON or a call in two; leave it out beside 'response_format' and 'tools'"
        )
    spoken = [said for said in fields.messages if said.role == "user"]
    if not spoken:
        raise invalid_value("messages", "there is no message with the role 'user'")
    called: set[str] = set()
    for position, said in enumerate(fields.messages):
        if said.content is None and said.role != "assistant":
            raise invalid_value(f"messages[{position}].content", "a text is needed")
        if said.role == "tool" and said.tool_call_id not in called:
            raise invalid_value(f"messages[{position}].tool_call_id", "no call before it has this id")
        called.update(call.id for call in said.tool_calls or ())
    if not spoken[-1].text:
        raise invalid_value("messages", "the last message with the role 'user' is empty")


def _unsupported(name: str) -> Refusal:
    hint = " Say 'think step by step' or 'answer only' in a message." if name == "reasoning_effort" else ""
    return unsupported(name, f"is not served by the pocket models with this value.{hint}")
