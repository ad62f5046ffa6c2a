from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.errors import UnsupportedSchema, UsageError
from apportion.models.pocket.grammar import Forced, FreeText, Items, Numeral
from apportion.models.pocket.numerals import Bounds
from apportion.models.pocket.schemas import ANSWER_OBJECT, json_text, terms_of

TREE = {"$defs": {"T": {"type": "object", "properties": {"t": {"$ref": "#/$defs/T"}}}}, "$ref": "#/$defs/T"}


def of(**part: Any) -> Any:
    """The terms of a property."""
    terms = terms_of(json.dumps({"type": "object", "properties": {"x": part}}))
    assert terms[0] == Forced('{"x":')
    return terms[1] if len(terms) == 3 else terms[1:-1]


def test_the_parts_of_an_object_come_in_its_order() -> None:
    schema = {"type": "object", "properties": {"steps": {"type": "string", "maxLength": 9}, "answer": {"const": 1}}}
    assert terms_of(json.dumps(schema)) == (
        Forced('{"steps":'),
        FreeText(0, 9),
        Forced(',"answer":', anew=True),
        Forced("1"),
        Forced("}"),
    )
    assert terms_of('{"type": "object"}') == (Forced("{}"),)
    assert terms_of(ANSWER_OBJECT)[0] == Forced('{"answer":')


def test_limits_that_are_left_out() -> None:
    assert of(type="string") == FreeText(0, 64)
    assert of(type="string", maxLength=1000, minLength=2.0) == FreeText(2, 64)
    assert of(type="array", items={"type": "integer", "minimum": 0}) == Items((Numeral(Bounds(0, 10**9 - 1)),), 1, 8)
    assert of(type="array", maxItems=0) == Forced("[]")


@pytest.mark.parametrize(
    ("part", "low", "high", "places"),
    [
        ({"type": "integer", "minimum": 0.5, "exclusiveMaximum": 9}, 1, 8, 0),
        ({"type": "integer", "minimum": 1, "exclusiveMinimum": 3, "maximum": 9, "exclusiveMaximum": 99}, 4, 9, 0),
        ({"type": "number", "minimum": 0.1, "exclusiveMaximum": 1}, 100, 999, 3),
        ({"type": "integer", "minimum": 5 * 10**9}, 5 * 10**9, 6 * 10**9 - 1, 0),
        ({"type": "integer", "maximum": -5 * 10**9}, -6 * 10**9 + 1, -5 * 10**9, 0),
    ],
)
def test_bounds_of_numbers(part: dict[str, Any], low: int, high: int, places: int) -> None:
    assert of(**part) == Numeral(Bounds(low, high, places))


@pytest.mark.parametrize(
    ("schema", "part", "says"),
    [
        ({"type": "object", "properties": {"d": {"type": "string", "format": "date"}}}, ".properties.d", "'format'"),
        ({"type": "object", "properties": {"d": {"type": "string", "pattern": "a"}}}, ".properties.d", "'pattern'"),
        ({"type": "object", "properties": {"d": {}}}, ".properties.d", "say one of string"),
        ({"type": "object", "properties": {"d": True}}, ".properties.d", "say a type"),
        ({"type": "object", "properties": {"d": {"type": "float"}}}, ".properties.d", "'float'"),
        ({"type": "object", "properties": [], "required": []}, "", "properties must be an object"),
        ({"type": "object", "properties": {}, "required": ["a"]}, "", "describe it under 'properties'"),
        ({"type": "object", "properties": {}, "required": "a"}, "", "list of names"),
        ({"type": "object", "minProperties": 2}, "", "'minProperties'"),
        ({"type": "array"}, "", "add 'items'"),
        ({"type": "array", "items": {"type": "integer"}, "uniqueItems": True}, "", "'uniqueItems'"),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 33}, "", "at most 32"),
        ({"type": "array", "items": {"type": "integer"}, "minItems": -1}, "", "whole number"),
        ({"type": "array", "items": {"oneOf": []}}, ".items", "say one of"),
        ({"type": "string", "minLength": 65}, "", "at most 64"),
        ({"type": "integer", "minimum": 3, "maximum": 2}, "", "widen them"),
        ({"type": "integer", "minimum": 1.2, "maximum": 1.8}, "", "widen them"),
        ({"type": "number", "minimum": 0.0001, "maximum": 0.0002}, "", "at most 3 digits"),
        ({"type": "integer", "minimum": 1e300}, "", "smaller one"),
        ({"type": "integer", "minimum": True}, "", "give a number"),
        ({"type": "integer", "multipleOf": 5}, "", "'multipleOf'"),
        ({"enum": []}, "", "admits no value"),
        ({"enum": ["a"], "type": "integer"}, "", "admits no value"),
        ({"enum": "a"}, "", "list"),
        ({"const": 1, "minimum": "a"}, "", "no schema"),
        ({"anyOf": [{"type": "object"}, {"type": "null"}]}, "", "leave one alternative"),
        ({"anyOf": []}, "", "one schema in its place"),
        ({"allOf": [{"type": "string"}, {"type": "string"}]}, "", "one schema in its place"),
        ({"$ref": "other.json"}, "", "'$defs'"),
        ({"$ref": "#/$defs/a"}, "", "leads nowhere"),
        ({"$ref": 3}, "", "'$defs'"),
        (TREE, ".properties.t", "refers to itself"),
        ([], "", "say a type"),
        ("text", "", "say a type"),
    ],
)  # fmt: skip
def test_what_cannot_be_held_to_is_named_with_its_remedy(schema: Any, part: str, says: str) -> None:
    with pytest.raises(UnsupportedSchema) as caught:
        terms_of(json.dumps(schema))
    assert isinstance(caught.value, UsageError)
    assert (caught.value.part, says in caught.value.reason) == (part, True), caught.value


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "nan"])
def test_what_is_no_json_is_no_schema(text: str) -> None:
    with pytest.raises(UnsupportedSchema):
        terms_of(text)


def test_size_has_limits() -> None:
    deep: dict[str, Any] = {"type": "integer"}
    for _ in range(40):
        deep = {"type": "object", "properties": {"a": deep}}
    alternatives: dict[str, Any] = {"type": "integer"}
    for _ in range(400):
        alternatives = {"anyOf": [alternatives]}
    # Each refers to the next thirty times over.
    many = {f"d{n}": {"type": "object", "properties": {f"p{m}": {"$ref": f"#/$defs/d{n + 1}"} for m in range(30)}}
            for n in range(6)} | {"d6": {"type": "integer"}}  # fmt: skip
    for schema in (deep, alternatives, {"$ref": "#/$defs/d0", "$defs": many}):
        with pytest.raises(UnsupportedSchema, match=r"deeper|too deep"):
            terms_of(json.dumps(schema))
    with pytest.raises(UnsupportedSchema, match="more than 256 characters"):
        terms_of(json.dumps({"enum": ["a" * 100_000, "b"]}))
    assert terms_of(json.dumps({"enum": ["a" * 250 + "b", "a" * 250 + "c"]}))


def test_names_may_look_like_paths() -> None:
    names = {
        ".properties." * 20: {"type": "integer"},
        ".items": {"type": "object", "properties": {"answer": {"const": 1}}},
    }
    assert terms_of(json.dumps({"type": "object", "properties": names}))[-4] == Forced('{"answer":', anew=True)


NAMES = ("type", "properties", "items", "enum", "const", "anyOf", "allOf", "$ref", "$defs", "required", "minItems")
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*NAMES, "maxItems", "minLength", "minimum", "a"]),
            inner | st.sampled_from(["object", "array", "string", "number", "#/$defs/a"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_is_a_schema_or_is_refused(schema: Any) -> None:
    with suppress(UnsupportedSchema):
        assert terms_of(json.dumps(schema))


@given(st.text(max_size=8) | st.dictionaries(st.text(max_size=3), st.integers() | st.none()))
def test_json_texts_can_be_encoded_and_read_back(value: Any) -> None:
    text = json_text(value)
    assert json.loads(text.encode()) == value
