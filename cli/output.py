"""The door to the terminal: all that commands print goes through here, in any encoding and without control characters.

A pipe gets the same text as a terminal, because its end is often one; texts as they were are in the file of `--json`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["any_encoding", "cell", "complain", "relay", "say"]


def say(text: str, *, flush: bool = False) -> None:
    """Prints a line or several."""
    from ..records.display import visible

    print(visible(text), flush=flush)


def relay(text: str) -> None:
    """Prints on the error stream what a library says of wrong arguments; it repeats them, whoever wrote them."""
    from ..records.display import visible

    print(visible(text), end="", file=sys.stderr)


def complain(text: str) -> None:
    """Prints what is wrong, or may be, on the error stream; nothing that looks like a key is repeated there."""
    from ..records.display import visible
    from ..records.redaction import redacted

    for line in visible(redacted(text)).splitlines():
        print(f"apportion: {line}", file=sys.stderr)


def cell(text: str, style: str = "") -> Text:
    """A text for rich, which reads no markup in it."""
    from rich.text import Text

    from ..records.display import visible

    return Text(visible(text), style)


@contextmanager
def any_encoding() -> Iterator[None]:
    """Prints what the streams' encoding lacks as escapes: nothing that was paid for is lost to a narrow terminal."""
    changed: list[tuple[TextIOWrapper, str | None]] = []
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            changed.append((stream, stream.errors))
            stream.reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        for stream, errors in changed:
            stream.reconfigure(errors=errors)
