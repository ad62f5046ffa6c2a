"""Whether an answer says that there is none to give."""

from __future__ import annotations

import re

from .plain import folded

__all__ = ["abstains"]

_MOST = 300
"""Characters; who writes more says something."""
_CANNOT = r"(?:do\ not|dont|don't|cannot|can\ not|can't|could\ not|couldn't|am\ unable\ to|'m\ unable\ to)"
_SAID = re.compile(
    rf"""
    (?:(?:i\ am|i'm|we\ are|we're)?\ ?(?:very\ |so\ )?sorry|unfortunately|sadly|apologies)? [,:]? \ ?
    (?:but\ )? (?:
      (?:i|we)\ ?{_CANNOT}\ know (?:\ (?!(?:of\ )?any\ (?:better|other))[^:;]*)?
    | (?:i|we)\ ?{_CANNOT}\ (?:determine|tell|say|decide|infer|conclude|verify)
        (?:\ (?:the|what|who|whom|whose|which|where|when|whether|how|if|this|it|from|for|with|based|without)\b[^:;]*)?
    | (?:i|we)\ ?{_CANNOT}\ (?:answer|provide|give)
        (?:\ (?:the|this|that|your|it|an?|any|with|from|for|based|without)\b[^:;]*)?
    | (?:i|we)\ ?{_CANNOT}\ find\ (?:the|an?|any|enough|sufficient|this)\ ?
        (?:answer|information|data|evidence|mention|context)\b[^:;]*
    | (?:i|we)(?:\ am|'m|\ are|'re)\ (?:not\ (?:sure|certain)|unsure|uncertain)\b[^:;]*
    | (?:there\ is\ |there's\ |i\ have\ |we\ have\ )?(?:not\ enough|insufficient|no|no\ sufficient)
        \ (?:information|data|evidence|context)\b[^:;]*
    | (?:it|this|that|(?:the|this)\ (?:answer|question))?\ ?(?:cannot|can't|can\ not)
        \ be\ (?:determined|answered|known|inferred|found)\b[^:;]*
    | (?:the\ )?(?:answer|question)\ is\ (?:unknown|not\ known|unclear|unanswerable|not\ (?:given|provided|available))
    | no\ answer(?:\ (?:is\ )?(?:available|found|possible))?
    | unknown | unanswerable | undetermined | not\ (?:known|sure) | (?:no\ idea|idk|dunno)
    )
    """,
    re.VERBOSE,
)
"""A sentence, folded and without quotes; what only mentions such words in passing is an answer."""
_EXPLAINS = re.compile(
    r"\b(?:no|not|never|nothing|none|cannot|without|lacks?|missing|insufficient|unclear|only|sorry|please|more)\b|n't\b"
)
"""What a sentence beside it says of the reason: something is not there."""
_ANSWERS = re.compile(
    r"\b(?:but|however|my (?:best )?guess|probably|likely|i think|i(?: would|'d) say|perhaps|maybe|therefore|thus"
    r"|hence)\b|,? so (?:i|the|it|my|that|we)\b"
    r"|\banswer(?: is| would be| must be|:) (?!unknown|not |unclear|unanswerable)[^\s,.]"
)
"""What follows one of these is an answer after all."""
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_AROUND = " \"'`*_()[]"


def abstains(answer: str) -> bool:
    """Whether an answer is "I don't know", "not enough information" or the like, and nothing beside it but why.

    A typed reading: it decides by fixed English phrases, so that the same text is always read alike. An answer that
    guesses after such words is an answer, and so is an empty one, which is no reply.
    """
    text = " ".join(folded(answer).replace("’", "'").split()).strip(_AROUND).lower()
    if not text or len(text) > _MOST or _ANSWERS.search(text):
        return False
    sentences = [sentence.rstrip(".!?").strip(_AROUND) for sentence in _SENTENCE.split(text)]
    said = [_SAID.fullmatch(sentence) is not None for sentence in sentences]
    return any(said) and all(s or _EXPLAINS.search(sentence) for s, sentence in zip(said, sentences, strict=True))
