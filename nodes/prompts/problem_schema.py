"""The constraint problem as a JSON schema that endpoints with strict structured output accept.

Such endpoints want every field required and know no patterns, so this is smaller and laxer than the schema in
`nodes.symbolic.schema`, which has the last word on every reply.
"""

from __future__ import annotations

import json
from typing import Any

__all__ = ["PROBLEM_SCHEMA", "closed"]


def closed(**fields: Any) -> dict[str, Any]:
    """An object with exactly these fields."""
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def _const(value: str) -> dict[str, Any]:
    return {"type": "string", "enum": [value]}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_TEXT = {"type": "string"}
_INTEGER = {"type": "integer"}
_VALUE = {"type": ["integer", "boolean", "string"]}
_RELATION = {"type": "string", "enum": ["==", "!=", "<", "<=", ">", ">="]}
_TERMS = _list(closed(variable=_TEXT, coefficient=_INTEGER))
_LINEAR = closed(kind=_const("linear"), terms=_TERMS, relation=_RELATION, constant=_INTEGER)
_COMPARE = closed(
    kind=_const("compare"),
    variable=_TEXT,
    relation=_RELATION,
    value={"type": ["integer", "boolean", "string", "null"]},
    other={"type": ["string", "null"]},
)
_CONDITIONS = _list({"anyOf": [{"$ref": "#/$defs/linear"}, {"$ref": "#/$defs/compare"}]})
_CONSTRAINTS = [
    {"$ref": "#/$defs/linear"},
    {"$ref": "#/$defs/compare"},
    closed(kind=_const("all_different"), variables=_list(_TEXT)),
    closed(kind=_const("implication"), when=_CONDITIONS, then=_CONDITIONS),
    closed(kind=_const("any_of"), conditions=_CONDITIONS),
    closed(kind=_const("count"), variables=_list(_TEXT), value=_VALUE, relation=_RELATION, constant=_INTEGER),
    closed(kind=_const("abs"), target=_TEXT, terms=_TERMS),
    closed(kind={"type": "string", "enum": ["min", "max"]}, target=_TEXT, variables=_list(_TEXT)),
]
_VARIABLES = [
    closed(type=_const("int"), name=_TEXT, low=_INTEGER, high=_INTEGER),
    closed(type=_const("bool"), name=_TEXT),
    closed(type=_const("enum"), name=_TEXT, values=_list(_TEXT)),
]
_OBJECTIVE = closed(sense={"type": "string", "enum": ["minimize", "maximize"]}, terms=_TERMS)
_ANSWER = closed(variables=_list(_TEXT), form={"type": "string", "enum": ["pairs", "values", "objective"]})

PROBLEM_SCHEMA = json.dumps(
    closed(
        variables=_list({"anyOf": _VARIABLES}),
        constraints=_list({"anyOf": _CONSTRAINTS}),
        objective={"anyOf": [_OBJECTIVE, {"type": "null"}]},
        answer=_ANSWER,
    )
    | {"$defs": {"linear": _LINEAR, "compare": _COMPARE}},
    sort_keys=True,
    separators=(",", ":"),
)
"""Canonical JSON text."""
