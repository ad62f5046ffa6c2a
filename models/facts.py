"""What is kept of models between processes, read back: whole, or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import UnionType
from typing import Any

from ..errors import StoreError
from ..records.rows import FactRow

__all__ = ["content_of"]

_COST: Mapping[str, str] = {
    "breach": "the model is then no longer barred, as after `apportion models --check --db` finds its cap kept",
    "probe": "the model is then probed once more",
}


def content_of(row: FactRow, fields: Mapping[str, type | UnionType]) -> Mapping[str, Any]:
    """The content of a fact, if it has the fields, each of its type.

    Raises:
        StoreError: it has not; the message names the row and the remedy.
    """
    try:
        content = json.loads(row.content)
        if not isinstance(content, dict):
            raise ValueError(f"{str(content)[:40]!r} is no object")
        for name, kind in fields.items():
            if name not in content:
                raise ValueError(f"{name!r} is missing")
            if not isinstance(content[name], kind) or isinstance(content[name], bool):
                raise ValueError(f"{name!r} is {str(content[name])[:40]!r}")
    except (RecursionError, ValueError) as problem:
        raise StoreError(
            f"what was kept of a model's {row.kind} (table 'fact', subject {row.subject!r}) is damaged ({problem}); "
            f"restore a copy of the database, or take the row out: DELETE FROM fact WHERE kind = '{row.kind}' AND "
            f"subject = '{row.subject}'; {_COST[row.kind]}"
        ) from problem
    return content
