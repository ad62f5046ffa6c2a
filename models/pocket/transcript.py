"""The text of a reply as it grows, up to a stop text."""

from __future__ import annotations

from .tokenizer import END, PIECES

__all__ = ["Transcript"]


class Transcript:
    """What of a reply may be shown: neither its end, nor a stop text, nor what may become one.

    Args:
        stops: texts that end a reply and are not part of it.
    """

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = stops
        self._text = ""
        self._shown = 0

    def add(self, token: int) -> str:
        """Takes a token; returns the text that can be shown now and was not before."""
        if token != END:
            self._text += PIECES[token]
        return self._show(len(self._text) - self._begun())

    def finish(self) -> str:
        """The rest of the text, when nothing more comes."""
        return self._show(len(self._text))

    def _show(self, end: int) -> str:
        places = [place for place in (self._text.find(stop) for stop in self._stops) if place >= 0]
        end = max(self._shown, min((end, *places)))
        shown, self._shown = self._text[self._shown : end], end
        return shown

    def _begun(self) -> int:
        """The length of the longest end of the text that is the beginning of a stop text."""
        longest = max((len(stop) for stop in self._stops), default=1) - 1
        for length in range(min(longest, len(self._text)), 0, -1):
            if any(stop.startswith(self._text[-length:]) for stop in self._stops):
                return length
        return 0
