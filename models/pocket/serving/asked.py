"""Reading the body of a request for chat completions: strictly, so that nothing is ignored that was meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from ....web.fields import NotServed, checked, invalid_value, json_object
from ...chat.asked import spoken
from ...chat.fields import Asking
from ...request import ChatMessage, ToolChoice
from ..further import SILENT
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
_SILENT: Mapping[str, tuple[Any, ...]] = {
    **SILENT,
    "audio": (),
    "function_call": ("none",),
    "functions": ([],),
    "modalities": (["text"],),
    "moderation": (),
    "prediction": (),
    "reasoning_effort": (),
    "web_search_options": (),
}
_HINTS = {"reasoning_effort": " Say 'think step by step' or 'answer only' in a message."}
_NOT_SERVED: NotServed = {
    name: (silent, f"is not served by the pocket models with this value.{_HINTS.get(name, '')}")
    for name, silent in _SILENT.items()
}


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
    fields = checked(_Body, content, ignored=_WITHOUT_EFFECT, not_served=_NOT_SERVED)
    fields.check_together()
    messages = tuple(spoken(place, said) for place, said in enumerate(fields.messages))
    _check_together(fields)
    tools, choice = tools_asked(fields.tools or (), fields.tool_choice)
    return Asked(
        model=fields.model,
        messages=messages,
        n=1 if fields.n is None else fields.n,
        temperature=1.0 if fields.temperature is None else fields.temperature,
        top_p=1.0 if fields.top_p is None else fields.top_p,
        seed=fields.seed,
        stop=tuple(fields.stop or ()),
        max_tokens=fields.output_cap,
        top_logprobs=fields.top_logprobs or 0 if fields.logprobs else None,
        stream=bool(fields.stream),
        include_usage=fields.include_usage,
        schema=schema_asked(fields.response_format),
        tools=tools,
        tool_choice=choice,
    )


class _Body(Asking):
    n: Annotated[int, Field(ge=1, le=SAMPLES)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    response_format: ResponseFormat | None = None
    tools: Annotated[list[Tool], Field(max_length=128)] | None = None
    tool_choice: ToolChoiceField | None = None


def _check_together(fields: _Body) -> None:
    """What a field may not say because of another."""
    if fields.top_logprobs is not None and not fields.logprobs:
        raise invalid_value("top_logprobs", "it needs 'logprobs' to be true")
    led = fields.tools or any(said.role == "tool" for said in fields.messages)
    if fields.stop and (led or (fields.response_format and fields.response_format.type != "text")):
        reason = "it could cut JSON or a call in two; leave it out beside 'response_format', 'tools' and their results"
        raise invalid_value("stop", reason)
    users = [said for said in fields.messages if said.role == "user"]
    if not users:
        raise invalid_value("messages", "there is no message with the role 'user'")
    called: set[str] = set()
    for position, said in enumerate(fields.messages):
        if said.role == "tool" and said.tool_call_id not in called:
            raise invalid_value(f"messages[{position}].tool_call_id", "no call before it has this id")
        called.update(call.id for call in said.tool_calls or ())
    if not users[-1].text:
        raise invalid_value("messages", "the last message with the role 'user' is empty")
