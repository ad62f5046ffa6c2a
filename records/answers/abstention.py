"""Whether an answer says that there is none to give."""

from __future__ import annotations

import re

from .plain import folded

__all__ = ["abstains"]

_MOST = 200
"""Characters; who writes more says something."""
_SAID = re.compile(
    r"(?:(?:sorry|unfortunately)[,.]? )?"
    r"(?:i (?:do not|don't|dont|cannot|can't|can not) (?:know|determine|answer|tell|say|find)\b.*"
    r"|i(?: am|'m) (?:not sure|unsure|unable to (?:answer|determine|say|tell|find))\b.*"
    r"|(?:there is |there's )?(?:not enough|insufficient|no sufficient) (?:information|data|evidence|context)\b.*"
    r"|(?:it )?(?:cannot|can't|can not) be (?:determined|answered|known)\b.*"
    r"|no (?:answer|information)(?: (?:is )?available| found)?"
    r"|unknown|unanswerable|not (?:known|sure)|idk)"
    r"[.!]?"
)
"""A whole answer, folded and without its quotes; what only mentions such words in passing is an answer."""
_HEDGED = re.compile(r"\b(?:but|however|my (?:best )?guess|probably|likely|i think|i would say|perhaps|maybe)\b")
"""What follows one of these is an answer after all."""


def abstains(answer: str) -> bool:
    """Whether an answer is "I don't know", "not enough information" or the like, and nothing beside it.

    A typed reading: it decides by fixed English phrases, so that the same text is always read alike. An answer that
    guesses after such words is an answer, and so is an empty one, which is no reply.
    """
    text = " ".join(folded(answer).replace("’", "'").split()).strip(" \"'`*_()[]").lower()
    if not text or len(text) > _MOST or _HEDGED.search(text):
        return False
    return _SAID.fullmatch(text) is not None
