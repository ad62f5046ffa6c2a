r"""Where a reply says its answer.

Explicit evidence counts first: a marker (`Answer:`, `**Final Answer**`, `#### 42`), a box, answer tags, a JSON field;
of these the last one in the text, unless what follows takes it back. Then the usual closing sentences, and where only
an answer was asked for, the reply itself. A heading is no answer, and neither is what stands in reasoning, in a
repeated question, or in a program. Every reader takes time linear in the length of the reply.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise

from ...models.reasoning import split_reasoning
from ...records.answers import folded, letter_of, number_of
from .blocks import EXPLAINS, Found, Inner, fenced, field, following
from .json_text import objects_in
from .sentences import answer_of, closing_answer, is_placeholder, taken_back
from .written import Fence, boxes, fences, finished

__all__ = ["answer_in"]

_WORD = (
    "(?:answer|final[ ](?:result|solution|output|value)"
    "|antwort|r[ée]ponse|respuesta|risposta|resposta|ответ|答案|答え|答|정답)"
)
_SEPARATOR = r"(?:[:：=]|->|=>|→|⇒|[–—-](?=[ \t]))"
_BOLD = r"(?:[*_]{1,3}|</?(?:b|strong|u|p|span|h[1-6])>)?"
_MARKER = re.compile(
    rf"""
    ^[ \t>*_#`•-]{{0,12}}{_BOLD}(?:\d{{1,2}}[.)][ \t]?)?{_BOLD}
      (?:(?:so|thus|therefore|hence),?[ ])?(?:(?:the|my|our)[ ])?
      (?:(?:final|correct|best|short|overall|numeric(?:al)?|exact|simplified)[ ]|最终|最后|正确){{0,2}}
      {_WORD}(?:[ ]final[ea]?)?(?:[ ]?\([^()\n]{{0,40}}\))?(?:[ ](?:to|in|for)[ ][^:\n]{{1,80}}?)?(?:[ ]is)?
      (?:{_BOLD}[ \t`"']{{0,6}}{_SEPARATOR}{_BOLD} | {_BOLD}[ \t#.]{{0,8}}$)
  | (?<=[.!?;,:)\]}}$*\s>]){_BOLD}(?:The[ ])?
      (?-i:Final[ ]|Correct[ ])?(?-i:Answer|ANSWER){_BOLD}[ ]?[:：]{_BOLD}
    """,
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
"""At the beginning of a line with or without a colon, or anywhere with a capital letter and a colon."""
_HASHES = re.compile(r"^[ \t]{0,3}\#{3,6}[ \t]*([^#\s][^\n]*)$", re.MULTILINE)
_SECTION = re.compile(
    r"(?:step|part|case|method|approach|solution|conclusion|summary|explanation|verification|check|problem|question|note"
    r"|reasoning|analysis|given|setup|result|final|answer)\b|.*:\Z",
    re.IGNORECASE,
)
"""What a heading says that is no answer."""
_TAGGED = re.compile(
    r"<(?P<tag>answer|final[ _-]?answer|final|solution|result|output|response)(?:\s[^<>\n]*)?>"
    r"(?P<inner>(?:(?!<(?P=tag)\b).)*?)(?:</(?P=tag)\s*>|\Z)"
    r"|\[(?P<label>(?:final )?answer)\](?P<said>(?:(?!\[(?P=label)\]).)*?)(?:\[/(?P=label)\]|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_OBJECT = re.compile(r"\{\s*[\"'“]\w[\w ]{0,40}[\"'”]\s*:")
"""How an object of JSON begins."""
_QUESTION = re.compile(
    r"^[\s>*_#]{0,8}(?:q|question|problem|human|user)[ ]?\d{0,3}[\s*_]{0,4}[:：]", re.IGNORECASE | re.MULTILINE
)
_ANNOUNCES = re.compile(r"\b(?:answer|result|solution|output|program|code)\b", re.IGNORECASE)
_ENDED = re.compile(r"(?:</s>|<eos>|<end_of_turn>|\[/INST\])\s*\Z")
"""What ends a text for a tokenizer, where it was left in."""
_INLINE_FENCE = re.compile(r"(?<=[:：*])[ \t]*(?=(?:```|~~~)[^\n`]*\n)")
"""Where a fence begins on the line of a marker."""
_DEPTH = 2
"""How often tags and fences within each other are opened."""
_REMARK = 200
"""The most characters of a closing remark."""
_LAST = 32
"""How many markers, headings and tags are looked at, the last ones of a text, and how many questions."""


def answer_in(text: str, *, whole: bool, cut: bool = False) -> str | None:
    """The answer that a reply gives, or None.

    Args:
        text: the reply; reasoning in it is left out.
        whole: whether only an answer was asked for, so that the reply itself is one where nothing marks another.
        cut: whether the reply was cut off. Its unfinished end is then no answer, and neither is a sentence on the way.
    """
    said = split_reasoning(text).answer
    return _read(finished(said) if cut else said, whole=whole and not cut, cut=cut) or None


def _read(text: str, *, whole: bool, cut: bool = False, depth: int = 0) -> str:
    text, inner = _INLINE_FENCE.sub("\n", _ENDED.sub("", text)), partial(_inner, depth=depth + 1)
    for section in _sections(text, cut=cut):
        answer = _given(section, inner, cut=cut)
        if answer is not None:
            return answer
    return answer_of(text) if whole else ""


def _inner(text: str, depth: int) -> str:
    """The answer in what stands within tags or a fence, all of it where nothing in there marks a part."""
    return _read(text, whole=True, depth=depth) if depth <= _DEPTH else answer_of(text)


def _sections(text: str, *, cut: bool) -> Sequence[str]:
    """The text between repeated questions, that with the answer first.

    Where a text begins with a question, it repeats examples or its own, and the last section answers. Elsewhere the
    model goes on with questions that nobody asked, and the first section answers.
    """
    begins = [question.start() for question in _QUESTION.finditer(text)][:_LAST]
    if not begins:
        return (text,)
    parts = [text[begin:end] for begin, end in pairwise((0, *begins, len(text)))]
    own = parts.pop(0)
    answers = [part.partition("\n")[2] or ("" if cut else part) for part in reversed(parts)]
    return [own, *answers] if own.strip() else answers


def _given(text: str, inner: Inner, *, cut: bool) -> str | None:
    """The answer of a section; empty where it was taken back, None where none is given."""
    blocks = tuple(fences(text))
    if len(blocks) == 1 and not cut and not (text[: blocks[0].start] + text[blocks[0].end :]).strip():
        return fenced(blocks[0], inner)
    found = _last(_explicit(text, blocks, inner, cut=cut))
    if found is None:
        return None if cut else closing_answer(_prose(text, blocks)) or _introduced(text, 0, blocks, inner)
    if cut and not found.closed(text):
        return None
    later = _prose(text, blocks, found.end)
    back = taken_back(later)
    if back is False:
        return found.answer
    better = "" if cut else closing_answer(later) or _introduced(text, found.end, blocks, inner)
    return better or ("" if back else found.answer)


def _last(evidence: Iterator[Found]) -> Found | None:
    """The last that is no part of another; within an object that holds no answer there is none."""
    last, end = None, 0
    for found in sorted(evidence, key=lambda one: (one.start, -one.end)):
        if found.start >= end:
            last, end = found if found.answer else last, found.end
    return last


def _explicit(text: str, blocks: Sequence[Fence], inner: Inner, *, cut: bool) -> Iterator[Found]:
    for marker in list(_MARKER.finditer(text))[-_LAST:]:
        found = following(text, marker.end(), blocks, inner)
        if found is not None and not any(block.start < marker.start() < block.end for block in blocks if block.code):
            yield replace(found, start=marker.start())
    for line in list(_HASHES.finditer(text))[-_LAST:]:
        if _is_result(answer_of(line[1]), text[line.end() :].strip()):
            yield Found(line.start(), line.end(), answer_of(line[1]), line=True)
    for box in boxes(text):
        yield Found(box.start, box.end, answer_of(box.content))
    for tagged in list(_TAGGED.finditer(text))[-_LAST:]:
        content = tagged["inner"] or tagged["said"] or ""
        if not is_placeholder(content):
            yield Found(tagged.start(), tagged.end(), inner(content))
    end = 0
    for value, start, end in objects_in(text):
        yield Found(start, end, field(value))
    opened = _OBJECT.search(text, end) if cut else None
    if opened is not None:
        yield Found(opened.start(), len(text), "")


def _introduced(text: str, start: int, blocks: Sequence[Fence], inner: Inner) -> str | None:
    """The fence that a text ends in, where the line before announces an answer or a program."""
    if not blocks or blocks[-1].start < start:
        return None
    last = blocks[-1]
    line = text[start : last.start].rstrip().rpartition("\n")[2]
    later = text[last.end :].lstrip()
    announced = line.endswith(":") and (last.code or _ANNOUNCES.search(line))
    return fenced(last, inner) or None if announced and (not later or EXPLAINS.match(later)) else None


def _is_result(answer: str, later: str) -> bool:
    """Whether a line of hashes is an answer and no heading: it ends the text, or is a value that nothing follows up."""
    if not answer or _SECTION.match(answer):
        return False
    value = number_of(answer) is not None or letter_of(folded(answer)) != ""
    return not later or (value and len(later) < _REMARK and not any(sign.isdigit() for sign in later))


def _prose(text: str, blocks: Sequence[Fence], start: int = 0) -> str:
    """The text from a place on without programs."""
    pieces: list[str] = []
    for block in blocks:
        if block.code and block.end > start:
            pieces.append(text[start : max(start, block.start)])
            start = block.end
    return "".join((*pieces, text[start:]))
