"""From a JSON schema to what an embedded model is held to; small schemas only."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any

from ...errors import UnsupportedSchema
from .grammar import Choices, Either, Forced, FreeText, Items, Numeral, Term, choices
from .numerals import Bounds

__all__ = ["ANSWER_OBJECT", "json_text", "terms_of"]

ANSWER_OBJECT = '{"properties":{"answer":{"type":"string"}},"required":["answer"],"type":"object"}'
"""The schema where any object is asked for: the answer as the model writes it."""

_ANSWER = "answer"
_MOST_CHARACTERS = 64
"""Of a text without a smaller `maxLength`."""
_MOST_ITEMS = 8
"""Of a list without another `maxItems`."""
_MOST_LISTED = 32
_MOST_PROPERTIES = 32
_MOST_OPTIONS = 256
_LONGEST_OPTION = 256
"""Characters of one of several values; no reply has as many."""
_DEEPEST = 12
_MOST_PARTS = 256
"""Of all of a schema, with what references repeat; the shortest JSON of more of them fits no reply."""
_PLACES = 3
"""Digits behind the point of a number."""
_LARGEST = 10**9 - 1
"""Of a number without bounds."""
_LARGEST_BOUND = 10**12
_SAID = frozenset(("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly")) | {
    "$comment",
    "$schema",
    "$id",
    "$defs",
    "definitions",
}
"""What changes nothing."""
_OF_TYPE: Mapping[str, frozenset[str]] = {
    "string": frozenset(("minLength", "maxLength")),
    "integer": frozenset(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")),
    "number": frozenset(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")),
    "boolean": frozenset(),
    "null": frozenset(),
    "array": frozenset(("items", "minItems", "maxItems")),
    "object": frozenset(("properties", "required", "additionalProperties")),
}
"""By type, what a schema may say of it."""
_OF_ANY_TYPE = frozenset[str]().union(*_OF_TYPE.values())


@lru_cache(maxsize=64)
def terms_of(schema: str) -> tuple[Term, ...]:
    """What a model is held to by a schema.

    All that it may write keeps to the schema, and not all that keeps to the schema may be written: every property is
    written, in the order of the schema; lists have at least one item; texts and lists without a limit of their own
    have at most 64 characters and 8 items; numbers have at most three digits behind the point.

    Args:
        schema: JSON text.

    Raises:
        UnsupportedSchema: it is none, or says what cannot be held to; the part is named.
    """
    try:
        whole = json.loads(schema)
        return _Reader(whole).terms(whole, _Place())
    except ValueError as error:
        raise UnsupportedSchema("", f"it is not JSON: {error}") from None
    except RecursionError:
        raise UnsupportedSchema("", "it is too deep; make it flatter") from None


def json_text(value: Any) -> str:
    """A value as JSON without spaces, in characters that any encoding has."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text if text.isprintable() else json.dumps(value, separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in a schema a part stands."""

    path: str = ""
    """Such as ".properties.answer"."""
    led: tuple[str, ...] = ()
    """The references that led to it."""
    depth: int = 0
    listed: bool = False
    """Whether it is within an item of a list."""

    def at(self, step: str, *, listed: bool = False) -> _Place:
        """A part of it."""
        return _Place(self.path + step, self.led, self.depth + 1, self.listed or listed)


class _Reader:
    def __init__(self, whole: Any) -> None:
        self._whole = whole
        self._parts = 0
        self._chosen = False  # whether the model chooses anything before the part that is read

    def terms(self, part: Any, place: _Place) -> tuple[Term, ...]:
        """The terms of a part of the schema."""
        path = place.path
        if not isinstance(part, dict):
            raise UnsupportedSchema(path, f"{_short(part)} leaves the type open; say a type")
        self._parts += 1
        if place.depth > _DEEPEST or self._parts > _MOST_PARTS:
            reason = f"it is deeper than {_DEEPEST} levels, or has more than {_MOST_PARTS} parts; make it smaller"
            raise UnsupportedSchema(path, reason)
        if "$ref" in part:
            return self._referred(part, place)
        if "const" in part or "enum" in part:
            return (_enumerated(part, path),)
        for name in ("anyOf", "allOf"):
            if name in part:
                return self._combined(name, part, place)
        kind = part.get("type", "object" if "properties" in part else "array" if "items" in part else None)
        if isinstance(kind, list):
            return (_either([self.terms({**part, "type": one}, place) for one in kind], path),)
        if not isinstance(kind, str) or kind not in _OF_TYPE:
            raise UnsupportedSchema(path, f"its type is {_short(kind)}; say one of {', '.join(_OF_TYPE)}")
        _only(part, _OF_ANY_TYPE | {"type"}, path)  # what is said of another type has no effect
        return self._typed(kind, part, place)

    def _typed(self, kind: str, part: Mapping[str, Any], place: _Place) -> tuple[Term, ...]:
        if kind == "boolean":
            return (_one_of(["true", "false"]),)
        if kind == "null":
            return (_one_of(["null"]),)
        if kind == "string":
            return (_text(part, place.path),)
        if kind == "object":
            return self._object(part, place)
        return self._list(part, place) if kind == "array" else (_number(kind, part, place.path),)

    def _referred(self, part: Mapping[str, Any], place: _Place) -> tuple[Term, ...]:
        path = place.path
        _only(part, {"$ref"}, path)
        target = part["$ref"]
        if target in place.led:
            raise UnsupportedSchema(path, f"{target!r} refers to itself, so it has no end; write it out")
        steps = target.split("/") if isinstance(target, str) else []
        if len(steps) != 3 or steps[0] != "#" or steps[1] not in ("$defs", "definitions"):
            raise UnsupportedSchema(path, f"it refers to {_short(target)}; refer to what stands under '$defs'")
        found: Any = self._whole
        for step in steps[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            found = found.get(name) if isinstance(found, dict) else None
        if found is None:
            raise UnsupportedSchema(path, f"{target!r} leads nowhere; define it under '$defs'")
        return self.terms(found, replace(place.at(""), led=(*place.led, target)))

    def _combined(self, name: str, part: Mapping[str, Any], place: _Place) -> tuple[Term, ...]:
        path = place.path
        _only(part, {name}, path)
        parts = part[name]
        if not isinstance(parts, list) or not parts or (name == "allOf" and len(parts) > 1):
            raise UnsupportedSchema(path, f"its {name} cannot be held to; write one schema in its place")
        found = [self.terms(one, place.at(f".{name}[{number}]")) for number, one in enumerate(parts)]
        return found[0] if len(found) == 1 else (_either(found, path),)

    def _object(self, part: Mapping[str, Any], place: _Place) -> tuple[Term, ...]:
        path = place.path
        properties, required = part.get("properties", {}), part.get("required", [])
        if not isinstance(properties, dict) or len(properties) > _MOST_PROPERTIES:
            raise UnsupportedSchema(path, f"its properties must be an object of at most {_MOST_PROPERTIES}")
        if not isinstance(required, list):
            raise UnsupportedSchema(path, "its 'required' must be a list of names")
        for name in required:
            if not isinstance(name, str) or name not in properties:
                raise UnsupportedSchema(path, f"it requires {_short(name)}; describe it under 'properties'")
        if not properties:
            return (Forced("{}"),)
        # Values of puzzles, which the models write as `a=1 b=3`.
        letters = len(properties) > 1 and all(len(name) == 1 and "a" <= name <= "z" for name in properties)
        terms: list[Term] = []
        for number, (name, inner) in enumerate(properties.items()):
            anew = self._chosen and name == _ANSWER and not place.listed
            shown = (" " if self._chosen else "") + (f"{name}=" if letters else "")
            terms.append(Forced(f"{',' if number else '{'}{json_text(name)}:", "" if anew else shown, anew))
            terms += self.terms(inner, place.at(f".properties.{name}"))
            self._chosen = self._chosen or not isinstance(terms[-1], Forced)
        return (*terms, Forced("}"))

    def _list(self, part: Mapping[str, Any], place: _Place) -> tuple[Term, ...]:
        path = place.path
        fewest = _count(part, "minItems", path, 0)
        most = _count(part, "maxItems", path, max(_MOST_ITEMS, fewest))
        if fewest > min(most, _MOST_LISTED):
            raise UnsupportedSchema(
                path, f"it has at least {fewest} items; let it be at most {min(most, _MOST_LISTED)}"
            )
        if most == 0:
            return (Forced("[]"),)
        if "items" not in part:
            raise UnsupportedSchema(path, "it does not say what its items are; add 'items'")
        return (
            Items(self.terms(part["items"], place.at(".items", listed=True)), max(1, fewest), min(most, _MOST_LISTED)),
        )


def _one_of(texts: Sequence[str]) -> Choices | Forced:
    """One of several texts; where there is one only, nothing is for the model to choose."""
    return Forced(texts[0]) if len(set(texts)) == 1 else choices([(text, ()) for text in texts])


def _enumerated(part: Mapping[str, Any], path: str) -> Choices | Forced:
    """The values that a part names, as far as it admits them."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    values = [part["const"]] if "const" in part else part["enum"]
    if not isinstance(values, list) or len(values) > _MOST_OPTIONS:
        raise UnsupportedSchema(path, f"its 'enum' must be a list of at most {_MOST_OPTIONS} values")
    _only(part, (_OF_ANY_TYPE | {"const", "enum", "type"}) - {"properties", "items", "additionalProperties"}, path)
    try:
        Draft202012Validator.check_schema(part)
    except SchemaError as error:
        raise UnsupportedSchema(path, f"it is no schema: {error.message[:200]}") from None
    admitted = [value for value in values if Draft202012Validator(part).is_valid(value)]
    if not admitted:
        raise UnsupportedSchema(path, "it admits no value; add one that all of it admits to 'enum'")
    texts = [json_text(value) for value in admitted]
    if max(map(len, texts)) > _LONGEST_OPTION:
        raise UnsupportedSchema(path, f"one of its values has more than {_LONGEST_OPTION} characters; shorten it")
    return _one_of(texts)


def _either(found: Sequence[tuple[Term, ...]], path: str) -> Either:
    """A value of one of several sorts, none of which has parts."""
    sorts: list[FreeText | Numeral | Choices] = []
    for terms in found:
        for term in terms:
            if isinstance(term, Either):
                sorts += term.sorts
            elif isinstance(term, Forced) and len(terms) == 1 and not term.text.startswith(("{", "[")):
                sorts.append(choices([(term.text, ())]))
            elif isinstance(term, FreeText | Numeral | Choices):
                sorts.append(term)
            else:
                reason = "one of its alternatives is an object or a list; leave one alternative, and make it required"
                raise UnsupportedSchema(path, reason)
    return Either(tuple(sorts))


def _text(part: Mapping[str, Any], path: str) -> FreeText:
    fewest = _count(part, "minLength", path, 0)
    most = min(_MOST_CHARACTERS, _count(part, "maxLength", path, _MOST_CHARACTERS))
    if fewest > most:
        raise UnsupportedSchema(path, f"it has at least {fewest} characters; let 'minLength' be at most {most}")
    return FreeText(fewest, most)


def _number(kind: str, part: Mapping[str, Any], path: str) -> Numeral:
    unit = 10 ** (places := 0 if kind == "integer" else _PLACES)
    low = _limit(part, "minimum", "exclusiveMinimum", path, unit, -1)
    high = _limit(part, "maximum", "exclusiveMaximum", path, unit, 1)
    most = _LARGEST * unit
    if low is None:
        low = -most if high is None else min(-most, high - most)
    if high is None:
        high = max(most, low + most)
    if low > high:
        digits = f" of at most {places} digits behind the point" if places else ""
        raise UnsupportedSchema(path, f"there is no {kind}{digits} within its bounds; widen them")
    return Numeral(Bounds(low, high, places))


def _limit(part: Mapping[str, Any], name: str, exclusive: str, path: str, unit: int, side: int) -> int | None:
    """The innermost of two bounds, in units, rounded inwards; `side` is -1 for the lower and 1 for the upper."""
    found = []
    for field in (name, exclusive):
        value = part.get(field)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise UnsupportedSchema(path, f"its {field} is {_short(value)}; give a number")
        if abs(value) > _LARGEST_BOUND:
            raise UnsupportedSchema(path, f"its {field} is beyond {_LARGEST_BOUND:,}; give a smaller one")
        exact = Fraction(Decimal(repr(value))) * unit
        inner = math.floor(exact) if side > 0 else math.ceil(exact)
        found.append(inner - side if field == exclusive and inner == exact else inner)
    return None if not found else min(found) if side > 0 else max(found)


def _count(part: Mapping[str, Any], name: str, path: str, otherwise: int) -> int:
    value = part.get(name, otherwise)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise UnsupportedSchema(path, f"its {name} is {_short(value)}; give a whole number from 0 on")
    return value


def _only(part: Mapping[str, Any], admitted: frozenset[str] | set[str], path: str) -> None:
    for name in part:
        if name not in admitted and name not in _SAID:
            raise UnsupportedSchema(path, f"its {name!r} cannot be held to; leave it out, or check it afterwards")


def _short(value: Any) -> str:
    return repr(value)[:80]
