"""Rows of the books as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from enum import Enum
from typing import Any

from ..records.rows import CallRow, RunRow, SpanRow

__all__ = ["row_fields", "rows_to_json"]


def row_fields(row: RunRow | SpanRow | CallRow) -> dict[str, Any]:
    """A row as JSON values."""
    return {key: value.value if isinstance(value, Enum) else value for key, value in asdict(row).items()}


def rows_to_json(rows: Sequence[RunRow]) -> str:
    """Rows as a JSON list."""
    return json.dumps([row_fields(row) for row in rows], indent=2, ensure_ascii=False)
