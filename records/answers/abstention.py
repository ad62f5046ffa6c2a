"""Whether an answer says that there is none to give."""

from __future__ import annotations

import re

from .plain import folded

__all__ = ["abstains"]

_MOST = 300
"""Characters; who writes more says something."""
_CANNOT = r"(?:cannot|can\ not|can't|could\ not|couldn't|(?:am|are|'m|'re)\ (?:unable|not\ able)\ to)"
_DO_NOT = r"(?:do\ not|don't|dont|did\ not|didn't)"
_ADVERB = r"(?:really\ |honestly\ |simply\ |just\ |actually\ |currently\ |still\ )?"
_ASKED = r"(?:what|who|whom|whose|which|where|when|why|whether|how|if)"
_SOURCE = (
    r"(?:(?:the|this|these|those|your|my|any|given|provided|available|above|supplied)\ ){0,3}"
    r"(?:answers?|questions?|texts?|passages?|contexts?|documents?|information|info|data|evidence|sources?|notes?"
    r"|facts?|articles?|paragraphs?|(?:search\ )?results?|details?|knowledge|here|text|input)"
)
_REST = r"(?:(?![,:;()–—]|\ -)[\s\S])*"
"""To the end of the clause: what is behind a comma, a dash or a bracket may be an answer."""
_WHY = (
    rf",?\ (?:because|since|as|given|due\ to|based\ on|from|without|sorry|(?:and\ )?{_SOURCE}"
    r"\ (?:does|do|is|are|has|have|says?|gives?|tells?|lacks?|contains?|provides?|mentions?)\b)"
)
_THINGS = r"(?:information|info|data|evidence|context|details|knowledge)"
_SAID = re.compile(
    rf"""
    (?:
      (?:(?:i|we)\ )?{_ADVERB}{_DO_NOT}\ {_ADVERB}know
        (?:\ (?:(?:the|this|that|it|about|of|for|yet|anything|enough|anyone|anybody)\b|{_ASKED}\b){_REST})?
    | i\ dunno | dunno | idk
    | (?:(?:i|we)\ ?)?{_CANNOT}\ (?:determine|tell|say|decide|infer|conclude|verify|know)
        (?:\ (?:(?:the|what|it|this|that|from|for|with|based|without)\b|{_ASKED}\b){_REST})?
    | (?:unable|impossible|not\ possible|not\ able)\ to\ (?:determine|tell|say|answer|decide|infer|verify|know){_REST}
    | (?:(?:i|we)\ ?)?{_CANNOT}\ (?:answer|provide|give)
        (?:\ (?:the|this|that|your|it|an?|any|with|from|for|based)\b{_REST})?
    | (?:(?:i|we)\ ?)?{_CANNOT}\ find\ (?:the\ |an?\ |any\ |enough\ |sufficient\ |this\ )?
        (?:answer|mention|{_THINGS})\b{_REST}
    | (?:(?:i|we)(?:\ am|'m|\ are|'re)\ )?(?:not\ (?:sure|certain)|unsure|uncertain)
        (?:\ (?:(?:about|of|at|on|from|based)\b|{_ASKED}\b){_REST})?
    | (?:i|we)\ {_ADVERB}{_DO_NOT}\ (?:have|see)\ (?:the\ |any\ |enough\ |sufficient\ |that\ |this\ |an?\ )?
        (?:answer|{_THINGS})\b{_REST}
    | (?:i|we)\ have\ no\ (?:idea|answer|clue|way\ of\ knowing|{_THINGS})\b{_REST}
    | (?:there\ is\ |there's\ |there\ are\ |i\ have\ |we\ have\ )?
        (?:(?:not\ enough|insufficient|no\ (?:sufficient|relevant|specific|such|further|available))\ {_THINGS}\b{_REST}
        |no\ {_THINGS}
          (?:\ (?:(?:is\ |was\ |are\ )?(?:available|given|provided|found|mentioned|here|there)\b{_REST}
                |(?:about|on|regarding|concerning|to\ (?:answer|determine|say|tell|decide|infer|conclude))\b{_REST}
                |(?:in|from|within|for)\ {_SOURCE}\b{_REST}|as\ to\ {_ASKED}\b{_REST}))?)
    | (?:it|this|that|(?:the|this|that)\ (?:answer|question))?\ ?(?:cannot|can't|can\ not|could\ not|couldn't)
        \ be\ (?:determined|answered|known|inferred|found|verified)
        (?:\ (?:(?:with|without|using|given|based|because|since|as|here)|(?:from|in|by|within)\ {_SOURCE})\b{_REST})?
    | (?:(?:it|that|this|(?:the|this|that)\ (?:answer|question))(?:\ is|'s)\ )?
        (?:unknown|unanswerable|undetermined|not\ (?:known|given|provided|available|specified|mentioned|stated|clear)
        |unclear|impossible\ to\ (?:say|tell|know|determine|answer))
        (?:\ (?:(?:in|from|by|within)\ {_SOURCE}\b{_REST}|{_ASKED}\b{_REST}|to\ me))?
    | (?:there\ is\ |there's\ )?no\ answer(?:\ (?:is\ |was\ )?(?:available|found|possible|given|provided))?
        (?:\ (?:in|from|to)\ {_SOURCE})?
    | (?:the|this|these|your|my)\ {_SOURCE}\ (?:do|does|did)(?:\ not|n't)
        \ (?:say|tell|mention|specify|state|provide|contain|give)\b{_REST}
    | (?:no\ idea|not\ sure|nobody\ knows|no\ one\ knows)
    )
    (?:{_WHY}[^:;]*)?
    """,
    re.VERBOSE,
)
"""A sentence, folded and without quotes and regrets; what only mentions such words in passing is an answer."""
_REGRETS = re.compile(
    r"(?:(?:(?:oh|well|hmm)[,.]? )?(?:(?:i am|i'm|we are|we're) )?(?:very |so |really )?(?:sorry|afraid(?: that)?)"
    r"|unfortunately|sadly|regrettably|honestly|(?:(?:i|we|my) )?apologi(?:[sz]e|es)|(?:i|we) must (?:say|admit))"
    r"[,:]? (?:but )?"
)
_EXPLAINS = re.compile(
    rf"(?=.*(?:\b(?:no|not|never|nothing|none|cannot|without|lacks?|missing|insufficient|unclear|only)\b|n't\b))"
    rf"(?:(?:the|this|that|these|your|my|any|no|all|none\ of)\ .*)?\b{_SOURCE}\b.*".replace(r"\ ", " ")
    + r"|(?:please|could you|can you|if you)\b.*"
    r"\b(?:provide|give|share|tell|check|consult|clarify|specify|need|more)\b.*"
    r"|(?:i am |i'm |so |very )*sorry|(?:my )?apologies"
)
"""What a sentence beside it says of the reason: something is not there, or would help."""
_ANSWERS = re.compile(
    r"\b(?:but|however|my (?:best )?guess|probably|likely|i think|i(?: would|'d) say|perhaps|maybe|therefore|thus"
    r"|hence|roughly|approximately)\b|,? so (?:i|the|it|my|that|we)\b"
    r"|\banswer(?: is| would be| must be|:) (?!unknown|not |unclear|unanswerable|unavailable)[^\s,.]"
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
    if not text or len(text) > _MOST:
        return False
    sentences = [_plain(sentence) for sentence in _SENTENCE.split(text)]
    if any(_ANSWERS.search(sentence) for sentence in sentences):
        return False
    said = [_SAID.fullmatch(sentence) is not None for sentence in sentences]
    return any(said) and all(s or _EXPLAINS.fullmatch(each) for s, each in zip(said, sentences, strict=True))


def _plain(sentence: str) -> str:
    """A sentence without its end, the marks around it, and words of regret before it."""
    text = sentence.rstrip(".!?").strip(_AROUND)
    regret = _REGRETS.match(text)
    return text[regret.end() :] if regret else text
