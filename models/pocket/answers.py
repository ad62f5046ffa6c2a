"""Where in what a model wrote its answer stands."""

from __future__ import annotations

import re

__all__ = ["answer_place"]

_NUMBERS = re.compile(r"[0-9]+")
_PAIRS = re.compile(r"[a-z]=[0-9]+(?: [a-z]=[0-9]+)*")
_LETTER = re.compile(r"[a-z]")
_VISITED = re.compile(r"[b-df-np-z]{1,22}")
"""Letters of arrows; names have an a, e or o."""
_ARROWS = re.compile(r"[a-z]>[a-z](?: [a-z]>[a-z])*")
_CODES = re.compile(r"[0-9]{2}[a-z](?:(?P<joiner>[-/;+])[0-9]{2}[a-z](?:(?P=joiner)[0-9]{2}[a-z])*)?")
_MOVE = re.compile(r"[1-9][abc]")


def answer_place(text: str, *, draft: bool) -> int | None:
    """Where the answer at the end of a reply begins; None where there is none.

    It is a number, letters with their numbers, codes, a letter or a move.

    Args:
        text: without white space around it.
        draft: whether it is a draft, in which letters of arrows stand without arrows.
    """
    last = text.rpartition("|")[2]
    if any(shape.fullmatch(last) for shape in (_PAIRS, _CODES, _MOVE, _LETTER)):
        return len(text) - len(last)
    if _ARROWS.fullmatch(last) or (draft and _VISITED.fullmatch(last)):
        return len(text) - 1
    words = last.rpartition("=")[2].split()
    return len(text) - len(words[-1]) if words and _NUMBERS.fullmatch(words[-1]) else None
