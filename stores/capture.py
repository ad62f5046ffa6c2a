"""Keeping less: with "hash" or "none" nothing that was asked or answered reaches the file, only what came of it.

What studies go on from stays: statuses, scores, charges, whether an answer abstains, what gates read. Vote curves need
the answers of draws, and are not told without them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any, Literal

from ..records.rows import ABSTAINED, CallRow, RunRow, SpanRow, TaskRow, TraceRow
from ..records.status import Status

__all__ = ["HASH_DIGITS", "Capture", "not_kept", "withheld"]

Capture = Literal["full", "hash", "none"]
"""What is kept of what was asked and answered: all, hashes and sizes, or nothing."""

HASH_DIGITS = 32
"""Of SHA-256: half of them tell texts apart, and of a table of short texts the whole would be a tenth more."""
_WITHOUT_REPLY = {Status.SKIPPED, Status.TIMEOUT, Status.PROVIDER_ERROR, Status.BUDGET, Status.CANCELLED}
"""Where there was no reply, its reason quotes none: it says what ails an endpoint or a plan, and is kept."""
_NAMES = ("event", "source", "signal")
"""Fields of events whose texts this package writes."""


def not_kept(name: str, size: int) -> str:
    """What stands for a text of which only the hash is kept."""
    return f"[not kept: {size} bytes, sha256 {name}]"


def withheld(row: TraceRow, capture: Capture) -> TraceRow:
    """The row without what `capture` leaves out; the texts that lie in a table of their own are seen to there."""
    if capture == "full":
        return row
    match row:
        case CallRow():
            # Replies that abstain are counted by how this begins.
            abstained = ABSTAINED if row.error.startswith(ABSTAINED) else ""
            return replace(row, error=row.error if row.outcome in _WITHOUT_REPLY else abstained)
        case SpanRow():
            answer, part = _mark(row.answer, capture), _mark(row.part, capture)
            reason, events = _reason(row.reason, row.status), _without_texts(row.events)
            return replace(row, answer=answer, part=part, reason=reason, events=events)
        case RunRow():
            return replace(row, answer=_mark(row.answer, capture), reason=_reason(row.reason, row.status))
        case TaskRow():
            return replace(row, content=_task(row.content, capture))
    return row


def _reason(reason: str, status: Status) -> str:
    return reason if status in _WITHOUT_REPLY else ""


def _mark(text: str, capture: Capture) -> str:
    if not text or capture == "none":
        return ""
    data = text.encode()
    return not_kept(hashlib.sha256(data).hexdigest()[:HASH_DIGITS], len(data))


def _task(content: str, capture: Capture) -> str:
    question = json.loads(content).get("question", "")
    mark = _mark(question if isinstance(question, str) else json.dumps(question), capture)
    return json.dumps({"question": mark} if mark else {})


def _without_texts(events: str) -> str:
    """Events with their numbers alone."""
    try:
        found = json.loads(events)
    except ValueError:
        return "[]"
    listed = found if isinstance(found, list) else []
    return json.dumps([_numbers(event) for event in listed if isinstance(event, dict)], ensure_ascii=False)


def _numbers(event: dict[str, Any]) -> dict[str, Any]:
    kept = (int, float, type(None))
    return {name: value for name, value in event.items() if name in _NAMES or isinstance(value, kept)}
