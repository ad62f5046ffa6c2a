"""Long texts by their content: each stored once, as text, or compressed where that is asked for."""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import Literal

__all__ = ["Capture", "TextEncoder", "TextRow", "not_kept", "pack", "unpack"]

Capture = Literal["full", "hash", "none"]
"""What is kept of prompts, replies, reasoning and passages: all, their hash and size, or nothing."""
TextRow = tuple[str, int, str | bytes | None]
"""Hash, size in bytes, and what is kept: the text, its compressed form, or None."""

_HASH_DIGITS = 32
"""Of SHA-256: half of them tell texts apart, and of a table of short texts the whole would be a tenth more."""
_STORED_BYTES = 300
_REMEMBERED = 50_000
"""How many texts are remembered as stored, at about 200 bytes each."""


def pack(data: bytes) -> bytes:
    """Compresses to zlib's format, as fast as it goes, because the writer's time is the whole program's."""
    if len(data) > _STORED_BYTES:
        return zlib.compress(data, 1)
    # Setting up the compressor costs more than it saves: a stream of one stored block (RFC 1950, 1951).
    size = len(data)
    return b"\x78\x01\x01" + struct.pack("<HH", size, size ^ 0xFFFF) + data + struct.pack(">I", zlib.adler32(data))


def unpack(stored: str | bytes) -> str:
    """What a column holds as text: as it is, or undoing `pack`.

    Raises:
        zlib.error, UnicodeDecodeError, TypeError: it is neither.
    """
    return stored if isinstance(stored, str) else zlib.decompress(stored).decode()


def not_kept(name: str, size: int) -> str:
    """What stands for a text of which only the hash is kept."""
    return f"[not kept: {size} bytes, sha256 {name}]"


class TextEncoder:
    """Turns texts into hashes and gathers the rows that are not in the table yet. Used by the writer's thread alone.

    Args:
        compress: whether to keep texts in zlib's format.
        capture: what to keep of what is said to models and by them.
    """

    def __init__(self, *, compress: bool = False, capture: Capture = "full") -> None:
        self._compress = compress
        self._capture = capture
        self._stored: dict[bytes, str] = {}
        self._fresh: dict[bytes, str] = {}
        self._rows: list[TextRow] = []

    def said(self, text: str) -> str | None:
        """The hash of what was said to a model or by it, kept as far as that is captured; None where nothing is."""
        return None if self._capture == "none" else self.hash(text, kept=self._capture == "full")

    def hash(self, text: str, *, kept: bool = True) -> str | None:
        """The hash under which `text` is kept, or named where it is not; None for an empty text."""
        if not text:
            return None
        # Digests instead of the texts themselves, so that remembering them holds no memory of their size.
        encoded = text.encode()
        digest = hashlib.sha256(encoded).digest()
        place = digest if kept else b"-" + digest
        known = self._stored.get(place) or self._fresh.get(place)
        if known is not None:
            return known
        name = digest.hex()[:_HASH_DIGITS]
        self._rows.append((name, len(encoded), self.stored(text, encoded) if kept else None))
        self._fresh[place] = name
        return name

    def stored(self, text: str, encoded: bytes | None = None) -> str | bytes:
        """What a column holds of `text`."""
        return pack(text.encode() if encoded is None else encoded) if self._compress else text

    @property
    def keeps_replies(self) -> bool:
        """Whether replies may be kept for later calls."""
        return self._capture == "full"

    def take(self) -> list[TextRow]:
        """The rows to store with what was encoded since the last call."""
        rows, self._rows = self._rows, []
        return rows

    def committed(self) -> None:
        """The rows taken are in the table."""
        self._stored.update(self._fresh)
        self._fresh.clear()
        while len(self._stored) > _REMEMBERED:
            del self._stored[next(iter(self._stored))]

    def rolled_back(self) -> None:
        """The rows taken are not in the table."""
        self._fresh.clear()
        self._rows.clear()
