"""Random small schemas, as they can be held to."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

_SIGNS = st.characters(exclude_categories=["Cs"])
NAMES = st.text(_SIGNS, max_size=6) | st.sampled_from(["a", "b", "answer", "steps"])
VALUES = st.none() | st.booleans() | st.integers(-99, 999) | st.text(_SIGNS, max_size=5)


@st.composite
def texts(draw: st.DrawFn) -> dict[str, Any]:
    fewest = draw(st.integers(0, 4))
    limits = {"minLength": fewest, "maxLength": fewest + draw(st.integers(0, 5))}
    return {"type": "string", **(limits if draw(st.booleans()) else {})}


@st.composite
def numbers(draw: st.DrawFn) -> dict[str, Any]:
    low = draw(st.integers(-500, 500) | st.floats(-50, 50).map(lambda value: round(value, 2)))
    room = draw(st.integers(1, 300))
    names = draw(st.sampled_from([(), ("minimum",), ("maximum",), ("minimum", "maximum"), ("exclusiveMinimum",)]))
    limits = {name: low if "Min" in name or "min" in name else low + room for name in names}
    return {"type": draw(st.sampled_from(["integer", "number"])), **limits}


def scalars() -> st.SearchStrategy[dict[str, Any]]:
    single: st.SearchStrategy[dict[str, Any]] = st.one_of(
        texts(),
        numbers(),
        st.just({"type": "boolean"}),
        st.just({"type": ["integer", "null"]}),
        st.builds(lambda values: {"enum": values}, st.lists(VALUES, min_size=1, max_size=5)),
        st.builds(lambda value: {"const": value}, VALUES | st.lists(VALUES, max_size=2)),
    )
    plain = st.one_of(texts(), numbers(), st.just({"type": "null"}), st.just({"enum": ["Yes", "yes", 1, "1"]}))
    return single | st.builds(lambda parts: {"anyOf": parts}, st.lists(plain, min_size=1, max_size=3))


@st.composite
def lists(draw: st.DrawFn, item: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    fewest = draw(st.integers(0, 2))
    return {"type": "array", "items": draw(item), "minItems": fewest, "maxItems": fewest + draw(st.integers(0, 2))}


@st.composite
def objects(draw: st.DrawFn, inner: st.SearchStrategy[dict[str, Any]] | None = None) -> dict[str, Any]:
    """An object of at most three properties, of which some may be lists or objects."""
    value = scalars() | lists(scalars()) if inner is None else inner
    properties = draw(st.dictionaries(NAMES, value, max_size=3))
    required = [name for name in properties if draw(st.booleans())]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def schemas() -> st.SearchStrategy[dict[str, Any]]:
    return objects() | objects(scalars() | objects() | lists(objects()))
