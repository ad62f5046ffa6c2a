"""The option that an answer names, where it stands in running text."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["option_in"]

_BEFORE = r"""(?:^|[.,;:!?\n(–—。，；：！？])[\s*`"'“‘«]{0,8}"""
"""What stands between the beginning of a clause and its first word."""
_BEHIND = r"""["'”’»*`\])}]{0,8}\s{0,8}(?:\Z|[.,;:!?…](?!\w)|[–—。，；：！？\n(]|-\s|(?:because|since|as|but)\b)"""
"""What stands between the last word of a clause and its end."""
_OPENS, _CLOSES = r"""["'“‘«*`(\[{]""", r"""["'”’»*`)\]}]"""
_FIRST = r"""\A[\s*`"'“‘«(\[]{0,8}"""
"""The beginning of the text, where "B) Rome" has the mark of an option."""
_GRAMMAR = frozenset(
    re.findall(
        r"\w+",
        "all any both can could either few it less many may maybe might more most must neither never "
        "no none not one other should some such that they this will would",
    )
)
"""Words that begin a clause in which they are no answer: "no information is given", "may be either"."""
_DENIED = re.compile(
    r"\b(?:not|no|never|neither|nor|none|without|rather than|instead of|cannot|unable|unclear|unsure|uncertain|sorry"
    r"|whether|impossible|hard to|difficult to|far from|fail(?:s|ed)? to|refuse)\b|n['’]t\b",
    re.IGNORECASE,
)
"""What takes an option back, or says that none can be named."""


def option_in(said: str, options: tuple[str, ...]) -> str | None:
    """The one option that a text names as its answer; None where it names none, or several, or denies it.

    An option counts in quotes or other marks, at the end of a clause, and at its beginning where it cannot be a word of
    grammar. One letter counts only in its own case: "a" is an article.
    """
    named = [option for option in options if _word(option).search(said)]
    # "very good" names "good" too, and means the longer one.
    named = [one for one in named if not any(one != other and _word(one).search(other) for other in named)]
    if len(named) != 1:
        return None
    (option,) = named
    stands_out = _standing_out(option).search(said) is not None
    return option if stands_out and not _DENIED.search(_word(option).sub("", said)) else None


def _case(option: str) -> re.RegexFlag:
    return re.NOFLAG if len(option) == 1 else re.IGNORECASE


def _pattern(option: str) -> str:
    return rf"(?<!\w){re.escape(option)}(?!\w)"


@lru_cache(maxsize=1024)
def _word(option: str) -> re.Pattern[str]:
    return re.compile(_pattern(option), _case(option))


@lru_cache(maxsize=1024)
def _standing_out(option: str) -> re.Pattern[str]:
    word = _pattern(option)
    places = [word + _BEHIND, _OPENS + word + _CLOSES]
    if not option.isdigit():  # "1) ..." begins a list
        places.append(_FIRST + word + r"\)")
    if len(option) > 1 and option.casefold() not in _GRAMMAR:
        places.append(_BEFORE + word)
    return re.compile("|".join(places), _case(option))
