from __future__ import annotations

import json
from typing import Any

import pytest

from apportion.models.pocket.schemas import ANSWER_OBJECT
from apportion.models.pocket.serving.asked import Asked, read_body
from apportion.web.refusal import Refusal

INTEGER: dict[str, Any] = {"type": "object", "properties": {"answer": {"type": "integer"}}}
DATE: dict[str, Any] = {"type": "object", "properties": {"when": {"type": "string", "format": "date"}}}


def read(**fields: Any) -> Asked:
    return read_body(json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]} | fields).encode())


def function(name: str, schema: Any = INTEGER) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "description": "d", "parameters": schema, "strict": True}}


def form(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": True}}


def test_the_form_of_a_reply() -> None:
    assert read(response_format={"type": "text"}).schema == ""
    assert read(response_format={"type": "json_object"}).schema == ANSWER_OBJECT
    assert json.loads(read(response_format=form(INTEGER)).schema) == INTEGER


def test_properties_keep_their_order() -> None:
    schema = {"type": "object", "properties": {"z": {"type": "integer"}, "a": {"type": "integer"}}}
    assert list(json.loads(read(response_format=form(schema)).schema)["properties"]) == ["z", "a"]


def test_tools_and_which_must_be_called() -> None:
    tools = [function("f"), function("g", DATE)]
    free = read(tools=tools)
    assert (len(json.loads(free.tools)), free.tool_choice) == (2, "auto")
    assert read(tools=tools, tool_choice="none").tool_choice == "none"
    named = read(tools=tools, tool_choice={"type": "function", "function": {"name": "f"}})
    assert ([tool["function"]["name"] for tool in json.loads(named.tools)], named.tool_choice) == (["f"], "required")
    assert read(tools=[function("f")], tool_choice="required").tool_choice == "required"
    assert read(tools=[{"type": "function", "function": {"name": "f"}}], tool_choice="required").tools


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"response_format": {"type": "xml"}}, "response_format.type", "invalid_value"),
        (
            {"response_format": {"type": "json_schema"}},
            "response_format.json_schema.schema",
            "missing_required_parameter",
        ),
        ({"response_format": form(DATE)}, "response_format.json_schema.schema.properties.when", "unsupported_schema"),
        ({"response_format": form([])}, "response_format.json_schema.schema", "invalid_value"),
        ({"tools": [function("f"), function("f")]}, "tools", "invalid_value"),
        ({"tools": [function("bad name")]}, "tools[0].function.name", "invalid_value"),
        ({"tools": [{"type": "custom"}]}, "tools[0].type", "invalid_value"),
        ({"tool_choice": "required"}, "tool_choice", "invalid_value"),
        ({"tool_choice": "auto"}, "tool_choice", "invalid_value"),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, "tool_choice", "invalid_value"),
        (
            {"tools": [function("f"), function("g", DATE)], "tool_choice": "required"},
            "tools[1].function.parameters.properties.when",
            "unsupported_schema",
        ),
        ({"response_format": form(INTEGER), "stop": "x"}, "stop", "invalid_value"),
        ({"tools": [function("f")], "stop": "x"}, "stop", "invalid_value"),
    ],
)
def test_what_cannot_be_held_to_is_named(fields: dict[str, Any], param: str, code: str) -> None:
    with pytest.raises(Refusal) as caught:
        read(**fields)
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, param, code)
