"""Reasoning apart from the answer: one place knows how models mark what they think.

Models think in `<think>` and its kin, in channels, in special tokens. None of that is an answer. The metered caller
splits every reply here, and so do the readers of raw text; splitting twice changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from .request import Reply

__all__ = ["Split", "closing_mark", "held_from", "opening_mark", "reasoning_apart", "split_reasoning"]

_NAMES = (
    "think(?:ing)?|thoughts?|thought_process|reasoning|reflection|analysis|rationale|scratch_?pad|chain_of_thought"
    "|inner_monologue"
)
_HINT = re.compile(r"[<\[◁]")
"""How every mark begins; most replies have none."""
_MARK = re.compile(
    rf"""
    (?P<close>   <\s?[/\\]\s?(?:\w{{1,16}}:)?(?:{_NAMES})\s?>                 # </think>, </seed:think>
               | <[|｜](?:end_?(?:of_?)?|/)(?:{_NAMES})[|｜]>                  # <|end_of_thought|>, <|END_THINKING|>
               | \[/(?:think(?:ing)?|reasoning)\] | ◁/think(?:ing)?▷ | <unused95> | <channel\|> | <\|inner_suffix\|> )
  | (?P<open>    <\s?(?:\w{{1,16}}:)?(?:{_NAMES})(?:\s[^<>\n]*)?>             # <think>, <think effort="low">
               | <[|｜](?:(?:begin|start)_?(?:of_?)?)?(?:{_NAMES})[|｜]>
               | \[(?:think(?:ing)?|reasoning)\] | ◁think(?:ing)?▷ | <unused94>(?:thought)? | <\|channel>\w*
               | <\|inner_prefix\|> )
  | (?P<channel> (?:<\|start\|>[^<\n]{{0,99}})?<\|channel\|>\s*(?P<named>\w*)[^<\n]{{0,99}}
                 (?:<\|constrain\|>[^<\n]{{0,99}})?(?:<\|message\|>)? )         # of gpt-oss
  | (?P<answer>  <[|｜](?:begin|start)_?(?:of_?)?(?:solution|response|answer)[|｜]> )
  | (?P<end>     <\|(?:end|return|call|im_end|eot_id|endoftext|end_of_text)\|>
               | <[|｜]end_?(?:of_?)?(?:solution|response|answer)[|｜]> | <｜end▁of▁sentence｜> )
  | (?P<fence>   ```+ | ~~~+ )
    """,
    re.IGNORECASE | re.VERBOSE,
)
_PHRASES = (
    (re.compile(r"\s*analysis(?=[A-Z])"), re.compile("assistantfinal")),  # gpt-oss where special tokens are left out
    (re.compile(r"\s*here(?:'s| is) my thought process:", re.I), re.compile(r"\n\s*here(?:'s| is) my response:", re.I)),
)
"""How thinking begins and ends for models that mark it by words."""
_KIN = re.compile("think|thought|reason|reflect|analysis|rational|scratch|inner|channel|unused", re.IGNORECASE)
_BLANK_LINE = re.compile(r"[ \t]*\r?\n[ \t]*\r?\n")
_DEPTH = 16
"""How deep marks within marks are told apart."""
_LONGEST_MARK = 64
"""Characters by which a text that begins like a mark is known as one."""
_INDENT = 16
"""Characters of white space before what still begins a line."""


@dataclass(frozen=True, slots=True)
class Split:
    """A reply in two."""

    reasoning: str
    """What the model thought, without its marks; empty where it did not."""
    answer: str
    """What it said; empty where it only thought, also where the thought was cut off."""


def split_reasoning(text: str) -> Split:
    """Splits a text into what was thought and what was said.

    Thinking ends at its closing mark. Without one it never ended, so nothing after the opening mark is an answer;
    without an opening mark the chat template wrote it, so everything before is reasoning. Marks that are quoted as code
    are text. A text without marks is returned as it is. Time is linear in the length, and splitting the answer again
    changes nothing.
    """
    split = Split("", text)
    for _ in range(_DEPTH):  # One way of marking within another: rarely two, and never as many.
        further = _worded(split.answer) or _marked(split.answer)
        if further is None:
            break
        split = Split(_joined(split.reasoning, further.reasoning), further.answer)
    return split


def reasoning_apart(reply: Reply) -> Reply:
    """The reply with all reasoning in `reasoning` and none in `text`; the same object where there is nothing to do."""
    split = split_reasoning(reply.text)
    if split.answer == reply.text:
        return reply
    return replace(reply, text=split.answer, reasoning=_joined(reply.reasoning, split.reasoning))


def opening_mark(text: str) -> int | None:
    """Where the mark ends by which a text begins to think; 0 where it begins otherwise, None where that is not sure."""
    begin = len(text) - len(text.lstrip())
    mark = _MARK.match(text, begin)
    if mark is not None:
        return mark.end() if mark.lastgroup == "open" else 0
    unsure = begin == len(text) or (_HINT.match(text, begin) and len(text) - begin < _LONGEST_MARK)
    return None if unsure else 0


def closing_mark(text: str, begin: int) -> tuple[int, int, bool] | None:
    """The place of the first mark behind `begin` that may end a thought, and whether it is an ordinary closing mark."""
    found = (mark for mark in _MARK.finditer(text, begin) if mark.lastgroup not in ("open", "fence"))
    return next(((*mark.span(), mark.lastgroup == "close") for mark in found), None)


def held_from(text: str, begin: int) -> int:
    """From where a text behind `begin` may be the beginning of a mark; its length where it is none."""
    hint = _HINT.search(text, max(begin, len(text) - _LONGEST_MARK))
    return len(text) if hint is None else hint.start()


def _worded(text: str) -> Split | None:
    """Splits where words mark what was thought; None where they do not."""
    for begins, ends in _PHRASES:
        beginning = begins.match(text)
        if beginning is not None:
            *_, ending = [None, *ends.finditer(text, beginning.end())]
            thought = text[beginning.end() : ending.start() if ending else None]
            return Split(thought.strip(), text[ending.end() :].strip() if ending else "")
    return None


def _marked(text: str) -> Split | None:
    """Splits at marks; None where there are none."""
    pieces = list(_pieces(text)) if _HINT.search(text) else []
    if len(pieces) < 2:
        return None
    thought, said = (_joined(*(piece.strip() for piece, kind in pieces if kind is wanted)) for wanted in (True, False))
    return Split(thought, said)


def _pieces(text: str) -> Iterator[tuple[str, bool]]:
    """The texts between marks with whether they were thought; a single one where there is no mark."""
    marks: list[str] = []  # The kin of those that are open, the outermost first.
    begin, opened, fenced = 0, 0, False
    for mark in _MARK.finditer(text):
        kind, leads = mark.lastgroup, _leads_its_line(text, mark.start())
        if kind == "fence":
            fenced ^= leads and not marks
            continue
        if (fenced and not leads) or (text.endswith("`", 0, mark.start()) and text.startswith("`", mark.end())):
            continue
        if marks and kind == "open":
            # Some models repeat the mark that their template has written.
            repeated = marks[-1] == _kin(mark) and not text[opened : mark.start()].strip()
            if not repeated and len(marks) < _DEPTH:
                marks.append(_kin(mark))
            opened = mark.end()
            continue
        if kind == "close" and _still_open(marks, _kin(mark), blank=_BLANK_LINE.match(text, mark.end()) is not None):
            continue
        yield text[begin : mark.start()], bool(marks) or kind == "close"
        begin = opened = mark.end()
        fenced = False
        thinks = kind == "open" or (kind == "channel" and mark["named"].casefold() != "final")
        marks = [_kin(mark)] if thinks else []
    yield text[begin:], bool(marks)


def _still_open(marks: list[str], kin: str, *, blank: bool) -> bool:
    """Closes the innermost of the kin, and says whether that was within another.

    A mark that closes none of those open, or stands before a blank line, ends all: what models open twice they rarely
    close twice.
    """
    if kin not in marks or (blank and marks[0] == kin):
        return False
    innermost = len(marks) - 1 - marks[::-1].index(kin)
    del marks[max(1, innermost) :]
    return innermost > 0


def _leads_its_line(text: str, place: int) -> bool:
    before = text[max(0, place - _INDENT) : place].rpartition("\n")
    return not before[2].strip() and (bool(before[1]) or place <= _INDENT)


def _kin(mark: re.Match[str]) -> str:
    found = _KIN.search(mark[0])
    return found[0].casefold() if found else ""


def _joined(*texts: str) -> str:
    return "\n".join(filter(None, texts))
