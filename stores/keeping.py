"""The one place through which text goes on its way to the disk: secrets are blotted out, and size is bounded.

All else is kept byte for byte. What is left out is marked. A cached reply is never cut, because it is read in place of
a call.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from ..records.redaction import Redaction
from ..records.rows import CallRow, FactRow, PlanRow, RunRow, SpanRow, StoredReply, StudyRow, TaskRow, TraceRow

__all__ = ["TEXT_BYTES", "Fields", "bounded", "fields_of", "kept"]

Row = TypeVar("Row", bound=TraceRow | StoredReply)

TEXT_BYTES = 256 * 1024
"""The most bytes of one text that are kept."""


_NOTHING = ("", "[]")
"""JSON with nothing in it, as most spans have; what a look at it costs is the writer's time."""


@dataclass(frozen=True, slots=True)
class Fields:
    """What people and models write into a row."""

    texts: tuple[str, ...] = ()
    json: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    """JSON objects that are read again and so are not cut."""


_FIELDS: dict[type, Fields] = {
    CallRow: Fields(("response_model", "response_id", "output_text", "error", "reasoning_text"), ("request_messages",)),
    FactRow: Fields(whole=("content",)),
    PlanRow: Fields(("drawing",), whole=("content",)),
    RunRow: Fields(("stop_reason", "answer", "reason")),
    SpanRow: Fields(("part", "answer", "reason"), ("events", "evidence")),
    StoredReply: Fields(whole=("payload",)),
    StudyRow: Fields(whole=("arguments",)),
    TaskRow: Fields(("family",), whole=("content",)),
}


def fields_of(row: type) -> Fields:
    """What a kind of row has of texts and JSON."""
    return _FIELDS.get(row, Fields())


def kept(row: Row, redaction: Redaction) -> Row:
    """The row as it may be kept; the same object where nothing has to be left out."""
    fields = fields_of(type(row))
    changed: dict[str, Any] = {}
    for name in fields.texts:
        text: str = getattr(row, name)
        if text and (clean := bounded(redaction.text(text))) is not text:
            changed[name] = clean
    for name in (*fields.json, *fields.whole):
        text = getattr(row, name)
        if text in _NOTHING:
            continue
        clean = redaction.json(text)
        if name in fields.json:
            clean = _bounded_json(clean)
        if clean is not text:
            changed[name] = clean
    return replace(row, **changed) if changed else row


def bounded(text: str) -> str:
    """`text`, or its first part and a line with its size and SHA-256 where it is longer than `TEXT_BYTES`."""
    if len(text) * 4 <= TEXT_BYTES:
        return text
    data = text.encode()
    if len(data) <= TEXT_BYTES:
        return text
    marker = f"\n[cut: {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}]"
    return data[: TEXT_BYTES - len(marker)].decode(errors="ignore") + marker


def _bounded_json(text: str) -> str:
    """JSON text that is still JSON: each text in it is bounded."""
    if len(text) * 4 <= TEXT_BYTES:
        return text
    try:
        value = json.loads(text)
    except ValueError:
        return bounded(text)
    return json.dumps(_each_bounded(value), ensure_ascii=False, separators=(",", ":"))


def _each_bounded(value: Any) -> Any:
    if isinstance(value, str):
        return bounded(value)
    if isinstance(value, list):
        return [_each_bounded(each) for each in value]
    return {name: _each_bounded(each) for name, each in value.items()} if isinstance(value, dict) else value
