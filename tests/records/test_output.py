from __future__ import annotations

import json
from pathlib import Path
from socket import socket
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from apportion.errors import GraphError
from apportion.records.output import JsonOutput, OneOf, canonical_json, output_from, output_json


class Address(BaseModel):
    street: str
    zip: str = Field(pattern=r"^\d{5}$")


class Person(BaseModel):
    name: str
    age: int
    mood: Literal["good", "bad"] = "good"
    homes: list[Address] = []


SCHEMA = {"type": "object", "properties": {"b": {"type": "integer"}, "a": {"type": "string"}}, "required": ["a"]}
HIDDEN = {"%64efault": {}, "default": {"$ref": "file:///x"}}


@pytest.mark.parametrize(
    "output",
    ["line", "text", "code", "number", OneOf("A", "B"), JsonOutput(SCHEMA), JsonOutput(Person, vote="fields")],
)
def test_outputs_survive_json(output: Any) -> None:
    again = output_from(json.loads(json.dumps(output_json(output))))
    assert again == output
    assert hash(again) == hash(output)


def test_a_class_is_kept_as_its_schema() -> None:
    output = JsonOutput(Person)
    assert output == JsonOutput(Person.model_json_schema())
    assert json.loads(output.schema) == Person.model_json_schema()
    assert output.name == "Person"
    assert JsonOutput(SCHEMA).name == "the schema"
    assert JsonOutput(SCHEMA).schema == canonical_json(dict(reversed(SCHEMA.items())))


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"name": "string", "age": "integer"}, "is no JSON schema: it has none of 'type'"),
        ({}, "is no JSON schema"),
        (
            {"type": "objekt"},
            "$.type: 'objekt' is none of array, boolean, integer, null, number, object, string; mend it",
        ),
        ({"type": "object", "properties": []}, "the schema is none"),
        ({"type": "object", "required": "a"}, "the schema is none"),
        ({"type": "object", "properties": {"a": {"type": object()}}}, "cannot be written as JSON"),
        ({"type": "object", 3: 4}, "must have texts for names"),
        ({"type": "number"}, "take output='number'"),
        ({"type": "string"}, "take output='line'"),
        ({"type": "object", "properties": {"a": {"$ref": "https://example.org/a.json"}}}, "leads nowhere"),
        ({"type": "object", "properties": {"a": {"$ref": "#/$defs/B"}}, "$defs": {"A": True}}, "leads nowhere"),
        ({"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}}, "'(' is not a 'regex'"),
        ({"type": "object", "patternProperties": {"a+": {}}}, "patternProperties is not supported"),
        ({"type": "object", "properties": {"a": {"$ref": "#/default"}}, "default": {"$ref": "file:///x"}}, "leads no"),
        ({"type": "object", "properties": {"a": {"$ref": "#/x/%64efault"}}, "x": HIDDEN}, "leads nowhere"),
        ({"type": "object", "items": {"$ref": "#/examples/0"}, "examples": [{"$ref": "file:///x"}]}, "leads nowhere"),
        ({"type": "object", "items": {"$ref": "#/properties"}, "properties": {"patternProperties": {}}}, "leads no"),
        ({"type": "object", "items": {"$ref": "#/$defs/A"}, "$defs": {"A": {"$ref": "file:///x"}}}, "leads nowhere"),
        ({"type": "object", "items": {"$ref": "#/x/properties/0"}, "x": {"properties": [{}]}}, "leads nowhere"),
        ({"type": "object", "items": {"$id": "file:///x/", "$ref": "#/$defs/A"}, "$defs": {"A": {}}}, "$id within"),
        (3, "neither a JSON schema nor a class"),
        (Path, "the schema is of a bare string"),
        (socket, "pydantic makes no JSON schema of socket"),
        (int, "the schema is of a bare integer"),
    ],
)
def test_a_schema_that_is_none_is_refused(schema: Any, words: str) -> None:
    with pytest.raises(GraphError) as caught:
        JsonOutput(schema)
    assert words in str(caught.value)


def test_names_of_fields_are_not_read_as_parts_of_a_schema() -> None:
    JsonOutput({"type": "object", "properties": {"patternProperties": {"type": "object"}, "pattern": {"enum": ["("]}}})
    JsonOutput({"type": "object", "properties": {"$ref": {"type": "string"}, "a": {"$ref": "#/properties/$ref"}}})
    JsonOutput({"type": "array", "items": {"$ref": "#"}})
    JsonOutput({"type": "object", "properties": {"default": {"type": "string"}, "a": {"$ref": "#/properties/default"}}})
    JsonOutput({"type": "object", "$id": "https://example.org/a", "default": {"$id": "b", "$ref": "c"}})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "needs 2 to"),
        (("A",), "needs 2 to"),
        (("A", ""), "must be a text on one line"),
        (("A", " B"), "must be a text on one line"),
        (("A", "B\nC"), "must be a text on one line"),
        (("A", 3), "must be a text on one line"),
        (("yes", "Yes."), "'yes' and 'Yes.' count as the same answer"),
        (("1", "1.0"), "count as the same answer"),
        (tuple(map(str, range(300))), "needs 2 to"),
    ],
)
def test_options_that_cannot_be_told_apart_are_refused(options: tuple[Any, ...], words: str) -> None:
    with pytest.raises(GraphError) as caught:
        OneOf(*options)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("json", 'output must be one of "line", "text", "code", "number", OneOf'),
        (SCHEMA, "wrap a schema or a class as JsonOutput(...)"),
        (Person, "wrap a schema or a class as JsonOutput(...)"),
        ({"json": SCHEMA, "vote": "best"}, 'vote must be "whole" or "fields"'),
        ({"one_of": "AB"}, "output must be one of"),
        (None, "output must be one of"),
    ],
)
def test_what_is_no_output_says_what_there_is(value: Any, words: str) -> None:
    with pytest.raises(GraphError) as caught:
        output_from(value)
    assert words in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_one_value_has_one_text(value: Any) -> None:
    text = canonical_json(value)
    assert json.loads(text) == value
    assert canonical_json(json.loads(text)) == text


def test_numbers_that_are_equal_have_one_text() -> None:
    assert canonical_json({"b": 1.0, "a": [1e3, -0.0]}) == '{"a":[1000,0],"b":1}'
    assert canonical_json(2.0**60) == repr(2.0**60)
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(float("nan"))
