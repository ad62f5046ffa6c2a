"""Answers within sentences: `So the answer is 6.`, `(B) is correct`, `Therefore, x = 6.`."""

from __future__ import annotations

import re

from ...records.answers import abstains, folded, letter_of, number_of
from .written import boxes, tidy

__all__ = ["answer_of", "closing_answer", "is_placeholder", "taken_back"]

_SAID = re.compile(
    r"""
    \b(?:answer|(?:final|correct|right|best)\ (?:option|choice|result|value|solution))
      (?:\ (?:to|for|of)\ [^.:\n]{1,80}?)?
      \s?(?:is|are|[:：=]|equals|(?:would|should|must|will|has\ to|seems\ to)\ be|comes\ out\ (?:to|as))
      (?:\ (?:therefore|thus|then|hence|simply|just|indeed|now))?[\s*_:：]{0,8}
  | \b(?:antwort|r[ée]ponse|respuesta|risposta|resposta)\ (?:final[ea]?\ |correct[ae]?\ )?(?:ist|est|es|è|é)\b
      [\s*_:]{0,8}
  | 答案(?:是|为|為)[\s*_:：]{0,8}
  | \b(?:i\ (?:choose|pick|select)|i(?:'d|\ would|'ll|\ will)?\ go\ with|my\ (?:choice|pick)\ is)[ :]+
  | (?:\b(?:option|choice|answer)\ )?[*_]{0,3}\(?\b(?-i:(?P<letter>[A-J]))\)?[*_]{0,3}
      \ is\ (?:the\ )?(?:only\ )?(?:correct|right)\b(?:\ (?:answer|option|choice|one)\b)?
  | (?:^|(?<=[.!?:,]\s))(?:(?:so|thus|therefore|hence),?\ )?
      (?P<before>[^\n.!?]{1,80}?)\ is\ (?:the|my|our)\ (?:final\ |correct\ |right\ )?answer\b
    """,
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
"""What says that something is the answer."""
_NO_ANSWER = re.compile(
    r"(?:not|n't|correct|right|wrong|incorrect|clear|obvious|found|given|unique|as follows|below|above|in the"
    r"|if|whether|when|supposed|expected|needed|required|going|the same)\b|\W*\Z",
    re.IGNORECASE,
)
_YES = re.compile(r"\W*(yes|no|true|false)\b[*_\"']*\s?[,.;:—–-]+\s(?!\d)", re.IGNORECASE)
_PLACEHOLDER = re.compile(
    r"[<\[({$\\]*(?:(?:your|the|final|best|short|correct|only|option|choice)[ _]){0,3}"
    r"(?:answer|letter|number|value)?(?:[ _](?:only|here|goes here))?[>\])}$]*|[.…_\-\s]+|\s*\#.*"
    r"|(?:(?:so|thus|therefore|hence),? )?(?:the|my|our) (?:final |correct )?(?:answer|result) (?:is|would be)[\s:]*",
    re.IGNORECASE,
)
_POINTS = re.compile(
    r"\W*(?:this|that|it|which|what|here|there|so|[^\n]*\b(?:which|what|whether|if)\b)\W*", re.IGNORECASE
)
_CONCLUDES = re.compile(
    r"\b(?:therefore|thus|so|hence|consequently|in conclusion|finally|overall|in total|altogether|"
    r"we (?:get|have|find|obtain))\b,?\s(?P<said>[^\n]*)\Z",
    re.IGNORECASE,
)
_LABELLED = re.compile(
    r"[\W_]*(?:(?:final|overall) )?"
    r"(?:(?:result|output|total|response|conclusion)\s?[:=]|(?:answer|option|choice)(?=\s\(?[A-J]\)?\W*\Z))(?P<value>.*)",
    re.IGNORECASE,
)
_VALUE = re.compile(
    r"(?P<of>.*?)(?:=|≈|\b(?:is|are|equals|gives|yields|becomes)\b)(?P<value>[^=≈]{1,80})\Z", re.IGNORECASE
)
_STOPS = re.compile(r"[.!?;](?=[\"')\]*_$]{0,3}(?:\s|\Z))")
_INITIAL = re.compile(r"\b(?:[^\W\d_]|St|Mr|Mrs|Ms|Dr|Jr|Sr|vs|No|Mt|Ft)\.\Z")
"""What a period does not end: U.S. Steel, J. Doe, St. Louis."""
_REASONS = re.compile(
    r",?\s\(?(?:because|since|as (?:it|the|they|we|this|there)|which|where|given that|so that)\b|,\s(?:and\s)?so\s",
    re.I,
)
_GOES_ON = re.compile(
    r"\s*[*_(\"]*(?:the|this|that|these|it|because|since|i|so|as|in|we|here|there|hope|note|explanation|reason|therefore"
    r"|thus|hence|if|let|you|my|option|choice|answer)\b",
    re.IGNORECASE,
)
_PLEASANTRY = re.compile(r"\W*(?:i hope|hope (?:this|that|it)|let me know|please let|feel free)\b", re.IGNORECASE)
_DOUBTS = re.compile(
    r"\b(?:wait|hold on|hmm|actually|scratch that|correction|sorry|oops|on second thought"
    r"|let me (?:re-?do|re-?compute|re-?calculate|reconsider|correct))\b",
    re.IGNORECASE,
)
_WRONG = re.compile(
    r"\b(?:scratch that|i made (?:a|an) (?:mistake|error)|(?:that|this|it)(?:'s|’s| is| was) (?:wrong|incorrect"
    r"|a mistake|not (?:right|correct)))\b",
    re.IGNORECASE,
)
_LAST = 32
"""How many sentences are looked at, the last ones of a text."""
_STOPS_READ = 16
_OPENING = 12
"""Characters within which a sentence about the answer must begin to be one."""
_LONGEST = 4000
"""Characters of a line that may conclude."""
_WORDS = 5
"""The most words of something that a line concludes."""


def closing_answer(text: str) -> str:
    """The answer that the last sentence of its kind gives; empty where none does."""
    for found in reversed(list(_SAID.finditer(text))[-_LAST:]):
        said = found["letter"] or found["before"] or _line(text, found.end())
        empty = _NO_ANSWER.match(said.strip(" *_")) or _POINTS.fullmatch(said) or is_placeholder(said)
        answer = "" if empty else _sentence(said)
        if answer:
            return answer
    return _concluded(text) or _abstained(text)


def is_placeholder(said: str) -> bool:
    """Whether this only says where an answer would stand, such as `<answer only>` or a heading."""
    return _PLACEHOLDER.fullmatch(said.strip()) is not None


def answer_of(said: str) -> str:
    """The answer where a marker has named it: without a sentence around it, or one behind it that explains it."""
    boxed = boxes(said)
    if boxed:
        return tidy(boxed[-1].content)
    if "\n" not in said.strip():
        sentence = _SAID.search(said)
        if sentence is not None and sentence.start() < _OPENING and not (sentence["letter"] or sentence["before"]):
            said = _line(said, sentence.end()) or said
        said = _plain_head(said)
    return tidy(said)


def taken_back(later: str) -> bool | None:
    """Whether what follows an answer takes it back; None where it only begins to doubt."""
    if _WRONG.search(later):
        return True
    return None if _DOUBTS.search(later) else False


def _line(text: str, position: int) -> str:
    end = text.find("\n", position)
    return text[position : len(text) if end < 0 else end]


def _sentence(said: str) -> str:
    """A value up to the end of its sentence."""
    head = said
    for stop in list(_STOPS.finditer(said))[:_STOPS_READ]:
        head, rest = said[: stop.end() if stop[0] == "." else stop.start()], said[stop.end() :]
        if _GOES_ON.match(rest) or not (_INITIAL.search(head[-5:]) or rest[1:2].islower()):
            break
        head = said
    reason = _REASONS.search(head)
    answer = tidy(head[: reason.start()] if reason and reason.start() else head)
    return answer[:-1].rstrip() if answer.endswith(")") and answer.count(")") > answer.count("(") else answer


def _plain_head(said: str) -> str:
    """A number or a letter without the sentence that explains it; other answers as they are."""
    agrees = _YES.match(said)
    if agrees is not None:
        return agrees[1]
    ends = [(stop.start(), stop.end()) for stop in list(_STOPS.finditer(said))[:_STOPS_READ]]
    reason = _REASONS.search(said)
    if reason:
        ends.append((reason.start(), reason.end()))
    for start, end in ends:
        head, rest = tidy(said[:start]), said[end:]
        if number_of(head) is not None or _PLEASANTRY.match(rest):
            return head
        if letter_of(folded(head)) and (_GOES_ON.match(rest) or (reason and start == reason.start())):
            return head
    return said


def _abstained(text: str) -> str:
    """The last sentence where it says that there is no answer."""
    line = text.rstrip().rpartition("\n")[2][-_LONGEST:]
    starts = [0, *(stop.end() for stop in _STOPS.finditer(line.rstrip()[:-1]))]
    last = line[starts[-1] :].strip()
    return tidy(last) if abstains(last) else ""


def _concluded(text: str) -> str:
    """What the last line concludes: a number, a letter, or what something is."""
    line = text.rstrip().rpartition("\n")[2][-_LONGEST:]
    labelled = _LABELLED.fullmatch(line)
    if labelled is not None:
        said = tidy(labelled["value"].lstrip(" *_"))
        return said if len(said.split()) <= _WORDS and not is_placeholder(said) else ""
    concludes = _CONCLUDES.search(line)
    value = _VALUE.match(tidy(concludes["said"])) if concludes else None
    if value is None:
        return ""
    answer = tidy(value["value"])
    if number_of(answer) is not None or letter_of(folded(answer)):
        return answer
    named = value["of"].casefold().startswith(("the ", "his ", "her ", "its "))
    return answer if named and len(answer.split()) <= _WORDS and not _NO_ANSWER.match(answer) else ""
