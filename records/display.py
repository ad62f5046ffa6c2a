"""Text of models, endpoints and files on its way to people: nothing in it moves a cursor, hides, or breaks a document.

A terminal obeys escape sequences (ECMA-48) and the direction marks of Unicode; markup has characters that it cannot
hold. All of these are shown as the escapes that Python and JSON write for them, by one function for each medium.
"""

from __future__ import annotations

import re
from html import escape

__all__ = ["json_escaped", "markup", "visible"]

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but for tab and line feed, DEL, C1
    "\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # invisible, or of direction
    "\ud800-\udfff\ufffe\uffff"  # no characters
    "\U000e0000-\U000e007f]"  # tags, which spell a hidden text
    # Joiners shape the scripts and emoji on either side of them; between plain letters they only hide.
    "|(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])"
)


def visible(text: str) -> str:
    r"""For terminals and lines of text: what is not seen, or moves the cursor, as `\x1b` or `\u202e`.

    Tabs and line ends stay; a carriage return before a line feed is part of the line end.
    """
    return _HIDDEN.sub(_python_escape, text.replace("\r\n", "\n"))


def markup(text: str) -> str:
    """For HTML and SVG: as `visible`, and with references for the characters that markup reserves."""
    return escape(visible(text))


def json_escaped(text: str) -> str:
    """For JSON that has been written: the same JSON value, with escapes for what is not seen."""
    return _HIDDEN.sub(_json_escape, text)


def _python_escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _json_escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x10000:
        return f"\\u{code:04x}"
    return f"\\u{0xD7C0 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
