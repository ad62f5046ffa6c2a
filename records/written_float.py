"""Numbers of JSON that stay as they were written."""

from __future__ import annotations

from typing import Self

__all__ = ["WrittenFloat"]


class WrittenFloat(float):
    """A number whose text is what was written: `1.10`, not `1.1`. For the `parse_float` of `json`."""

    written: str

    def __new__(cls, written: str) -> Self:
        """From the digits."""
        number = super().__new__(cls, written)
        number.written = written
        return number

    def __str__(self) -> str:
        return self.written
