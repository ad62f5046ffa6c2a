"""What a request says of the form of its reply: a JSON schema, and tools."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

from pydantic import Field

from ....errors import UnsupportedSchema
from ....web.fields import Strict, invalid_value
from ....web.refusal import Refusal
from ...chat.fields import Chosen
from ...request import ToolChoice
from ..schemas import ANSWER_OBJECT, terms_of

__all__ = ["ResponseFormat", "Tool", "ToolChoiceField", "schema_asked", "tools_asked"]


class _JsonSchema(Strict):
    name: str
    description: str | None = None
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")
    strict: bool | None = None


class ResponseFormat(Strict):
    """The field `response_format`."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: _JsonSchema | None = None


class _Function(Strict):
    name: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(Strict):
    """One of the field `tools`."""

    type: Literal["function"]
    function: _Function


ToolChoiceField: TypeAlias = Literal["none", "auto", "required"] | Chosen
"""The field `tool_choice`."""


def schema_asked(form: ResponseFormat | None) -> str:
    """The JSON schema that a reply must keep to; empty where it is free.

    Raises:
        Refusal: a model cannot be held to it.
    """
    if form is None or form.type == "text":
        return ""
    if form.type == "json_object":
        return ANSWER_OBJECT
    where = "response_format.json_schema"
    if form.json_schema is None or form.json_schema.schema_ is None:
        message = f"Missing required parameter: '{where}.schema'."
        raise Refusal(400, message, code="missing_required_parameter", param=f"{where}.schema")
    return _held(form.json_schema.schema_, f"{where}.schema")


def tools_asked(tools: Sequence[Tool], choice: ToolChoiceField | None) -> tuple[str, ToolChoice]:
    """The tools that may be called, see `Request.tools`, and whether one must be.

    Raises:
        Refusal: two have one name, none has the name that is asked for, or the arguments of one that must be called
            are of a schema that a model cannot be held to.
    """
    names = [tool.function.name for tool in tools]
    if len(set(names)) < len(names):
        raise invalid_value("tools", "two functions have the same name")
    if not isinstance(choice, str | None):
        tools = [tool for tool in tools if tool.function.name == choice.function.name]
        if not tools:
            raise invalid_value("tool_choice", f"there is no function {choice.function.name!r} in 'tools'")
    if not tools and choice in ("auto", "required"):
        raise invalid_value("tool_choice", f"{choice!r} needs 'tools'")
    must = choice == "required" or not isinstance(choice, str | None)
    for tool in tools:
        schema = tool.function.parameters or {"type": "object"}
        where = f"tools[{names.index(tool.function.name)}].function.parameters"
        if schema.get("type", "object") != "object":
            raise invalid_value(f"{where}.type", "arguments are an object")
        if must:
            _held(schema, where)
    told = json.dumps([tool.model_dump(exclude_none=True) for tool in tools]) if tools else ""
    return told, "required" if must else "none" if tools and choice == "none" else "auto"


def _held(schema: dict[str, Any], where: str) -> str:
    text = json.dumps(schema)
    try:
        terms_of(text)
    except UnsupportedSchema as error:
        reason = f"the embedded models cannot be held to this schema: {error.reason}"
        raise invalid_value(where + error.part, reason, code="unsupported_schema") from None
    return text
