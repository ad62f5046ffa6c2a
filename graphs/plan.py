"""A value for every knob and the edges that are on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from ..errors import PlanError
from ..records.files import JsonFault, parse_json
from ..records.prompt import Prompt
from .knob_name import KnobName

__all__ = ["Plan", "plain"]


@dataclass(frozen=True)
class Plan:
    """How a graph is to run; immutable.

    Make plans with `Space`: only there are they canonical, so that plans that run alike have one hash.
    """

    graph_hash: str
    values: Mapping[str, Any]
    """JSON values by knob, for example `{"solve.model": "pocket-30k", "split->part.forward": "answer"}`."""
    edges: tuple[str, ...]
    """The optional edges that are on, as `a->b`."""

    def __post_init__(self) -> None:
        values = {name: plain(self.values[name]) for name in sorted(self.values)}
        object.__setattr__(self, "values", MappingProxyType(values))
        object.__setattr__(self, "edges", tuple(sorted(set(self.edges))))

    @cached_property
    def hash(self) -> str:
        """Of the canonical JSON, 16 hexadecimal digits."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    def settings(self, node: str) -> dict[str, Any]:
        """The values of one node's knobs, by setting."""
        named = ((KnobName.of(name), value) for name, value in self.values.items())
        return {knob.setting: value for knob, value in named if knob.place == node}

    def to_json(self) -> str:
        """The canonical JSON, which `from_json` reads."""
        content = {"graph": self.graph_hash, "values": dict(self.values), "edges": self.edges}
        return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Reads what `to_json` wrote.

        Raises:
            PlanError: it is not the JSON of a plan.
        """
        try:
            content = parse_json(text)
        except JsonFault as fault:
            raise PlanError(f"a plan cannot be read from this: {fault}") from None
        if not isinstance(content, dict) or set(content) != {"graph", "values", "edges"}:
            raise PlanError("a plan is a JSON object with the fields 'graph', 'values' and 'edges'")
        graph, values, edges = content["graph"], content["values"], content["edges"]
        if not isinstance(graph, str):
            raise PlanError("field 'graph' of a plan must be the hash of its graph, a string")
        if not isinstance(values, dict):
            raise PlanError("field 'values' of a plan must be an object of knobs")
        if not isinstance(edges, list) or not all(isinstance(edge, str) for edge in edges):
            raise PlanError("field 'edges' of a plan must be a list of strings such as 'a->b'")
        return cls(graph, values, tuple(edges))

    def __hash__(self) -> int:
        return hash(self.hash)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plan) and self.hash == other.hash


def plain(value: Any) -> Any:
    """A knob's value as JSON values."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Prompt):
        return value.label
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value
