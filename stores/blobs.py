"""Long texts by their content: stored once, compressed."""

from __future__ import annotations

import hashlib
import struct
import zlib

__all__ = ["BlobEncoder", "pack", "unpack"]

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


def unpack(data: bytes) -> str:
    """Undoes `pack`."""
    return zlib.decompress(data).decode()


class BlobEncoder:
    """Turns texts into hashes and gathers the rows that are not in the table yet. Used by the writer's thread alone."""

    def __init__(self) -> None:
        self._stored: dict[bytes, str] = {}
        self._fresh: dict[bytes, str] = {}
        self._rows: list[tuple[str, int, bytes]] = []

    def hash(self, text: str) -> str | None:
        """The hash under which `text` is kept; None for an empty text."""
        if not text:
            return None
        # Digests instead of the texts themselves, so that remembering them holds no memory of their size.
        encoded = text.encode()
        digest = hashlib.sha256(encoded).digest()
        known = self._stored.get(digest) or self._fresh.get(digest)
        if known is not None:
            return known
        name = digest.hex()
        self._rows.append((name, len(encoded), pack(encoded)))
        self._fresh[digest] = name
        return name

    def take(self) -> list[tuple[str, int, bytes]]:
        """The rows to store with what was encoded since the last call: hash, size, data."""
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
