"""What an app asks of a role: the body of a request for chat completions, read strictly."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..models.pocket.serving.refusal import Refusal
from ..models.request import ChatMessage, ToolChoice
from ..models.tools import ToolCall

__all__ = ["CHOICES", "Asked", "asked_from"]

CHOICES = 16
"""The most choices of one request."""

_WITHOUT_EFFECT = frozenset(
    {
        "metadata",
        "model",
        "parallel_tool_calls",
        "prompt_cache_key",
        "prompt_cache_retention",
        "reasoning_effort",
        "safety_identifier",
        "seed",
        "service_tier",
        "store",
        "stream",
        "stream_options",
        "user",
    }
)
"""Fields that a plan decides, that the run draws for itself, or that do not change what is asked for."""
_NOT_SERVED: Mapping[str, tuple[Any, ...]] = {
    "audio": (),
    "frequency_penalty": (0,),
    "function_call": ("none",),
    "functions": ([],),
    "logit_bias": ({},),
    "logprobs": (False,),
    "modalities": (["text"],),
    "prediction": (),
    "presence_penalty": (0,),
    "top_logprobs": (0,),
    "top_p": (1,),
    "verbosity": ("medium",),
    "web_search_options": (),
}
"""Fields that not every model of a pool can be asked for, with the values, beside null, that ask for nothing."""
_READ = frozenset(
    {
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "n",
        "response_format",
        "stop",
        "temperature",
        "tool_choice",
        "tools",
    }
)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of an app, as far as the plan does not decide it."""

    messages: tuple[ChatMessage, ...]
    max_output_tokens: int | None = None
    """None: as many as the plan and the model allow."""
    temperature: float | None = None
    stop: tuple[str, ...] = ()
    response_schema: str = ""
    """See `Request.response_schema`."""
    tools: str = ""
    """See `Request.tools`."""
    tool_choice: ToolChoice = "auto"
    choices: int = 1
    """How many independent replies."""


def asked_from(body: object) -> Asked:
    """Reads the fields of a request for chat completions.

    What the plan decides is not read: the model, the effort, the seed.

    Raises:
        Refusal: a field is missing, unknown, of a wrong type, out of range or not served; the field is named.
    """
    if not isinstance(body, dict):
        raise Refusal(400, "The body is not a JSON object.", code="invalid_json")
    fields = {name: value for name, value in body.items() if value is not None}
    for name, value in fields.items():
        if name in _NOT_SERVED:
            if value not in _NOT_SERVED[name]:
                message = f"Unsupported parameter: '{name}' is not served with this value."
                raise Refusal(400, message, code="unsupported_parameter", param=name)
        elif name not in _READ and name not in _WITHOUT_EFFECT:
            message = f"Unrecognized request argument: '{name}'."
            raise Refusal(400, message, code="unknown_parameter", param=name)
    tools, choice = _tools(fields)
    caps = [_number(fields, name, int, 1) for name in ("max_completion_tokens", "max_tokens") if name in fields]
    return Asked(
        messages=_messages(fields.get("messages")),
        max_output_tokens=min(caps) if caps else None,
        temperature=_number(fields, "temperature", float, 0, 2) if "temperature" in fields else None,
        stop=_stops(fields.get("stop", ())),
        response_schema=_schema(fields.get("response_format", {})),
        tools=tools,
        tool_choice=choice,
        choices=_number(fields, "n", int, 1, CHOICES) if "n" in fields else 1,
    )


def _number(fields: Mapping[str, Any], name: str, sort: Callable[[Any], Any], least: float, most: float = 1e15) -> Any:
    value = fields[name]
    fits = isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most
    if not fits or sort(value) != value:
        limit = f"at least {least:g}" if most == 1e15 else f"from {least:g} to {most:g}"
        raise _invalid(name, f"it must be a{' whole' if sort is int else ''} number {limit}")
    return sort(value)


def _stops(value: Any) -> tuple[str, ...]:
    stops = [value] if isinstance(value, str) else value
    if not isinstance(stops, Sequence) or len(stops) > 4 or not all(isinstance(each, str) and each for each in stops):
        raise _invalid("stop", "it must be a text or up to four")
    return tuple(stops)


def _schema(value: Any) -> str:
    kind = value.get("type", "text") if isinstance(value, dict) else None
    if kind == "text":
        return ""
    if kind == "json_object":
        return json.dumps({"type": "object"})
    if kind == "json_schema" and isinstance(value.get("json_schema"), dict):
        schema = value["json_schema"].get("schema")
        if isinstance(schema, dict):
            return json.dumps(schema, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    raise _invalid("response_format", "it must be of the type text, json_object, or json_schema with a schema")


def _tools(fields: Mapping[str, Any]) -> tuple[str, ToolChoice]:
    """The tools that may be called, as canonical JSON, and whether one must be."""
    tools, choice = fields.get("tools", []), fields.get("tool_choice", "auto")
    if not isinstance(tools, list):
        raise _invalid("tools", "it must be a list")
    for place, tool in enumerate(tools):
        function = tool.get("function") if isinstance(tool, dict) and tool.get("type") == "function" else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise _invalid(f"tools[{place}]", "only functions with a name are served")
    if isinstance(choice, dict):
        named = choice.get("function")
        name = named.get("name") if isinstance(named, dict) else None
        tools = [tool for tool in tools if tool["function"]["name"] == name]
        if not tools:
            raise _invalid("tool_choice", "it names none of the tools")
        choice = "required"
    if choice not in ("auto", "none", "required"):
        raise _invalid("tool_choice", "it must be auto, none, required, or name a function")
    if not tools:
        return "", "auto"
    return json.dumps(tools, sort_keys=True, separators=(",", ":"), ensure_ascii=False), choice


def _messages(value: Any) -> tuple[ChatMessage, ...]:
    if not isinstance(value, list) or not value:
        raise _invalid("messages", "it must be a list with at least one message")
    return tuple(_message(said, f"messages[{place}]") for place, said in enumerate(value))


def _message(said: Any, place: str) -> ChatMessage:
    if not isinstance(said, dict):
        raise _invalid(place, "it must be an object")
    role = said.get("role")
    content = _text(said.get("content"), f"{place}.content")
    if role in ("system", "developer"):
        return ChatMessage("system", content)
    if role == "user":
        return ChatMessage("user", content)
    if role == "assistant":
        return ChatMessage("assistant", content, _calls(said.get("tool_calls"), f"{place}.tool_calls"))
    if role == "tool":
        call_id = said.get("tool_call_id")
        if not isinstance(call_id, str):
            raise _invalid(f"{place}.tool_call_id", "it must name the call that it answers")
        return ChatMessage("tool", content, tool_call_id=call_id)
    raise _invalid(f"{place}.role", "it must be system, developer, user, assistant or tool")


def _text(content: Any, place: str) -> str:
    """The text of a message; of a list of parts, those of text."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise _invalid(place, "it must be a text or a list of parts")
    texts = []
    for number, part in enumerate(content):
        if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise _invalid(f"{place}[{number}]", "only parts of the type text are served")
        texts.append(part["text"])
    return "\n".join(texts)


def _calls(calls: Any, place: str) -> tuple[ToolCall, ...]:
    if calls is None:
        return ()
    if not isinstance(calls, list):
        raise _invalid(place, "it must be a list")
    found = []
    for number, call in enumerate(calls):
        function = call.get("function") if isinstance(call, dict) else None
        name = function.get("name") if isinstance(function, dict) else None
        arguments = function.get("arguments") if isinstance(function, dict) else None
        if not isinstance(name, str) or not isinstance(arguments, str) or not isinstance(call.get("id"), str):
            raise _invalid(f"{place}[{number}]", "it must have an id, and a function with a name and arguments")
        found.append(ToolCall(name, arguments, call["id"]))
    return tuple(found)


def _invalid(param: str, reason: str) -> Refusal:
    return Refusal(400, f"Invalid value for '{param}': {reason}.", code="invalid_value", param=param)
