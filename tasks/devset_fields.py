"""The fields of a task in a file, and the names under which they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType

__all__ = ["FIELDS", "OTHER_NAMES", "fault_in"]

FIELDS = ("question", "gold", "family", "context", "instructions", "difficulty", "name", "metadata")
"""The fields of a task in a file."""
OTHER_NAMES: Mapping[str, str] = MappingProxyType({"answer": "gold", "id": "name"})
"""Further names under which a field is read."""


def fault_in(names: Sequence[str]) -> tuple[str, str] | None:
    """The first name that is no field, or names a field again, with what to do about it; None where all is well."""
    seen: dict[str, str] = {}
    for name in names:
        field = OTHER_NAMES.get(name, name)
        if field not in FIELDS:
            near = get_close_matches(name.lower(), (*FIELDS, *OTHER_NAMES), n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"the fields are {', '.join(FIELDS)}."
            return name, f"there is no such field; {hint} Fields of your own go into 'metadata'"
        if field in seen:
            return name, f"{field!r} is given twice, as {seen[field]!r} and as {name!r}; keep one"
        seen[field] = name
    return None
