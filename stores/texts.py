"""Long texts by their content: each stored once, as text, or compressed where that is asked for."""

from __future__ import annotations

import hashlib
import struct
import zlib

from .capture import HASH_DIGITS, Capture

__all__ = ["TextEncoder", "TextRow", "pack", "unpack"]

TextRow = tuple[str, int, str | bytes | None]
"""Hash, size in bytes, and what is kept: the text, its compressed form, or None."""

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


class TextEncoder:
    """Turns texts into hashes and gathers the rows that are not in the table yet. Used by the writer's thread alone.

    Args:
        compress: whether to keep texts in zlib's format.
        capture: what to keep of what is said to models and by them.

    Attributes:
        capture: as it was given.
    """

    def __init__(self, *, compress: bool = False, capture: Capture = "full") -> None:
        self._compress = compress
        self.capture = capture
        self._stored: dict[bytes, str] = {}
        self._fresh: dict[bytes, str] = {}
        self._rows: list[TextRow] = []

    def said(self, text: str) -> str | None:
        """The hash of what was said to a model or by it, kept as far as that is captured; None where nothing is."""
        return None if self.capture == "none" else self.hash(text, kept=self.capture == "full")

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
        name = digest.hex()[:HASH_DIGITS]
        self._rows.append((name, len(encoded), self.stored(text, encoded) if kept else None))
        self._fresh[place] = name
        return name

    def stored(self, text: str, encoded: bytes | None = None) -> str | bytes:
        """What a column holds of `text`."""
        return pack(text.encode() if encoded is None else encoded) if self._compress else text

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
