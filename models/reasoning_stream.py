"""Reasoning apart from the answer while a reply comes."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from .delta import Delta
from .reasoning import closing_mark, held_from, opening_mark, split_reasoning

__all__ = ["ReasoningStream"]

_TRIES = 32
"""How many closing marks are looked at, each in the light of all before it; what follows is held to the end."""


class ReasoningStream:
    """Takes the text of a reply as it comes, and tells what is thought from what is said.

    A thought at the beginning, between marks, is given as reasoning, and what follows as text. Where a thought is
    marked in an odd way, nothing more is given until the whole reply is there, see `Given.rest`. Any other text is
    given as it comes, marks included: what was given comes by `split_reasoning` to the answer of the whole reply.
    """

    def __init__(self) -> None:
        self._state: Literal["begins", "thinks", "closes", "holds", "says"] = "begins"
        self._text = ""
        """All of it, as long as the thought has not ended."""
        self._given = 0
        """How much of that was given, or is a mark."""
        self._close = 0, 0
        """In state "closes": from where to where the mark stands that may end the thought."""
        self._tries = 0

    def add(self, delta: Delta) -> Delta:
        """The delta, with what of its text and of what was held can be told by now."""
        if not delta.text or self._state == "says":
            return delta
        self._text += delta.text
        if self._state == "begins":
            opened = opening_mark(self._text)
            if opened is None:
                return replace(delta, text="")
            if not opened:
                self._state, text = "says", self._text
                return replace(delta, text=text)
            self._state, self._given = "thinks", opened
        thought, said = self._think()
        return replace(delta, text=said, reasoning=delta.reasoning + thought)

    def end(self) -> Delta:
        """What was held, when no more comes."""
        rest = self._text[self._given :]
        if self._state == "begins":
            return Delta(text=rest)
        return Delta(reasoning=rest) if self._state == "thinks" else Delta()

    def _think(self) -> tuple[str, str]:
        """What is sure to be thought, and what is said behind that."""
        thought = ""
        while self._state != "holds":
            if self._state == "thinks":
                found = closing_mark(self._text, self._given)
                if found is None:
                    return thought + self._give(held_from(self._text, self._given)), ""
                begin, end, ordinary = found
                thought += self._give(begin)
                self._state, self._close = "closes" if ordinary and self._tries < _TRIES else "holds", (begin, end)
                continue
            behind = self._text[self._close[1] :]
            if not behind.strip():
                return thought, ""  # what follows may show that the mark ends an inner thought only
            first = len(self._text) - len(behind.lstrip())
            self._tries += 1
            if split_reasoning(self._text[: first + 1]).answer:
                self._state = "says"
                return thought, behind.lstrip()
            self._state = "thinks"
            thought += self._give(self._close[1])
        return thought, ""

    def _give(self, end: int) -> str:
        given, self._given = self._text[self._given : end], max(self._given, end)
        return given
