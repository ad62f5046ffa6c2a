"""Replies by their key: those at hand in this process, in front of the table."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from ..records.rows import StoredReply
from ..records.usage import Amount
from .texts import TextEncoder, unpack

__all__ = ["ReplyMemory", "reply_row", "reply_values"]

_BYTES = 64 * 1024 * 1024
_OVERHEAD_BYTES = 400
"""What a remembered reply takes beside its payload, roughly."""


class ReplyMemory:
    """Remembers replies: until they are in the table, those handed over; after that, the latest within a bound.

    Args:
        read: looks a key up in the table.
    """

    def __init__(self, read: Callable[[str], StoredReply | None]) -> None:
        self._read = read
        self._handed_over: dict[str, StoredReply] = {}
        self._recent: dict[str, StoredReply] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, request_key: str) -> StoredReply | None:
        """See `ReplyCache.get`."""
        # In this order, because a reply is remembered as recent before it leaves those handed over.
        reply = self._handed_over.get(request_key) or self._recent.get(request_key)
        if reply is None:
            reply = self._read(request_key)
            if reply is not None:
                with self._lock:
                    self._remember(reply)
        return reply

    def hand_over(self, reply: StoredReply) -> None:
        """From now on the reply is found, though it is not in the table yet."""
        self._handed_over[reply.request_key] = reply

    def booked(self, reply: StoredReply, *, kept: bool) -> None:
        """The reply is in the table, or (`kept` false) will never be."""
        with self._lock:
            if kept:
                self._remember(reply)
            if self._handed_over.get(reply.request_key) is reply:
                del self._handed_over[reply.request_key]

    def _remember(self, reply: StoredReply) -> None:
        before = self._recent.pop(reply.request_key, None)
        if before is not None:
            self._bytes -= _size(before)
        self._recent[reply.request_key] = reply
        self._bytes += _size(reply)
        while self._bytes > _BYTES and len(self._recent) > 1:
            self._bytes -= _size(self._recent.pop(next(iter(self._recent))))


def _size(reply: StoredReply) -> int:
    return len(reply.payload) + _OVERHEAD_BYTES


def reply_values(row: StoredReply, stored_at: float, texts: TextEncoder) -> tuple[Any, ...]:
    """Parameters for the table. Unlike other texts, the payload is kept whole: it is read again in place of a call."""
    return (row.request_key, texts.stored(row.payload), *row.charged.units, stored_at)


def reply_row(request_key: str, columns: tuple[str | bytes, int, int, int]) -> StoredReply:
    """A row of the table: payload and the three columns of charged."""
    payload, *charged = columns
    return StoredReply(request_key, unpack(payload), Amount(*charged))
