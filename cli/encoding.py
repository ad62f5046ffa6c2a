"""Rows of the books as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from enum import Enum
from typing import Any

from ..budgets.cap import in_unit
from ..records.rows import CallRow, RunRow, SpanRow
from ..records.usage import Amount

__all__ = ["amount_fields", "row_fields", "rows_to_json"]


def amount_fields(amount: Amount) -> dict[str, float]:
    """An amount as numbers of tokens, weighted tokens and dollars."""
    return {
        "tokens": amount.tokens,
        "weighted": in_unit(amount, "weighted"),
        "usd": in_unit(amount, "usd"),
    }


def row_fields(row: RunRow | SpanRow | CallRow) -> dict[str, Any]:
    """A row as JSON values."""
    fields = {key: value.value if isinstance(value, Enum) else value for key, value in asdict(row).items()}
    amounts = {key: getattr(row, key) for key in fields if isinstance(getattr(row, key), Amount)}
    return fields | {key: amount_fields(amount) for key, amount in amounts.items()}


def rows_to_json(rows: Sequence[RunRow], parts: Sequence[str]) -> str:
    """Runs as a JSON list, each with the part of the dev set that it was made on."""
    fields = [row_fields(row) | {"part": part} for row, part in zip(rows, parts, strict=True)]
    return json.dumps(fields, indent=2, ensure_ascii=False)
