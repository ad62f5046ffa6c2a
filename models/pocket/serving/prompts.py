"""From a conversation in plain English to the one line of shorthand that a pocket model was trained on.

The shorthand is that of the dialect `pocket`: a letter for the role, the passages on a line of their own, the question.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ....records.text import single_spaced
from ...request import ChatMessage
from ..shorthand import PocketRole, searching, solving, verifying
from ..tokenizer import UNKNOWN, encode
from .questions import find_facts, find_question, without
from .roles import choose_role
from .sections import Section, Sections, split_sections

__all__ = ["is_shorthand", "prompt_of"]

_LONGEST_READ = 16_384
"""Characters; what is longer cannot fit a context, so nothing is looked for in it."""
_ENGLISH = re.compile(
    r"(?:"
    r"Calculate|Can you|Check|Choose|Codes|Combine|Compute|Consider|Context|Could|Count"
    r"|Decide|Decompose|Determine|Direct|Directly|Divide|Do|Documents|Don't|Draft"
    r"|Facts|Figure|Final|Find|First|Follow|Following|For|Formalise|Formalize|From"
    r"|Query|Question|Quickly"
    r"|Say|Search|Select|Short|Show all|Show each|Show every|Show me|Show the|Show your|Simplify|Simply|Solve|Split"
    r"|Start|State(?! (?:calls|met|saw|stays|works)\b)|Step|Stock|Sub-?questions?|Sum|Suppose"
    r"|Take|Task|Tell|The answer|The following|The problem|The puzzle|The question|The task|Then|Think|Translate|Try"
    r"|Validate|Verify"
    r")\b"
)
"""Beginnings of plain English that would pass for a role's letter and a word. Of the names in passages, `tate` behind a
letter is the only one that begins like English."""
_NO_PROMPT = frozenset(" :.,;)")
"""What never follows a role's letter."""
_LAST_ROUND = re.compile(r"\bno more search|\bstop searching\b", re.I)
_SPACES = re.compile(r"[ \t]+")
_PART = re.compile(r"^(p[0-9]) = (.*)$", re.M)
_BULLET = re.compile(r"^[ \t]*[-*] ", re.M)
_NOTHING_FOUND = "Nothing found."


def prompt_of(messages: Sequence[ChatMessage]) -> str:
    """The prompt for a conversation; empty where it has no user message, or the last one is empty.

    A last user message in shorthand stays as it is. Otherwise its last question is looked for, and the role in what
    else it says, then in the system messages, then in earlier user messages, each time from the last to the first.
    A last user message without a question stays as it is.
    """
    position = next((i for i in range(len(messages) - 1, -1, -1) if messages[i].role == "user"), None)
    if position is None:
        return ""
    text = messages[position].content
    if len(text) > _LONGEST_READ or is_shorthand(text):
        return text
    sections = split_sections(_SPACES.sub(" ", text))
    found = _question(sections)
    if found is None:
        return text
    question, as_written = found
    facts = () if sections.last(Section.PASSAGES) else find_facts(sections.rest)
    own_words = without(f"{sections.last(Section.QUESTION)}\n{sections.rest}", (as_written, *facts))
    texts = (own_words, *_elsewhere(messages[:position], messages[position + 1 :]))
    role = choose_role(texts, verifiable=bool(_claim(sections)))
    return _shorthand(role, question, sections, facts)


def is_shorthand(text: str) -> bool:
    """Whether a message already is what a pocket model reads.

    It begins with a role's letter, has no character that the models do not know, and does not begin like English.
    """
    return (
        text[:1] in set(PocketRole)
        and text[1:2] not in _NO_PROMPT
        and _ENGLISH.match(text) is None
        and UNKNOWN not in encode(text)
    )


def _question(sections: Sections) -> tuple[str, str] | None:
    """The question as the models read it, and the part of the message that it was found in."""
    combination = sections.last(Section.COMBINATION)
    if combination:
        for name, answer in _PART.findall(sections.last(Section.PARTS)):
            combination = combination.replace(f"{{{name}}}", answer)
        return single_spaced(combination), sections.last(Section.QUESTION)
    labelled = sections.last(Section.QUESTION)
    if labelled:
        return find_question(labelled) or (single_spaced(labelled), labelled)
    return find_question(sections.rest) or find_question(sections.last(Section.QUERY))


def _elsewhere(before: Sequence[ChatMessage], behind: Sequence[ChatMessage]) -> Iterator[str]:
    """The other messages that may say what is wanted, in the order in which they are asked."""
    for role in ("system", "user"):
        for message in reversed((*before, *behind)):
            if message.role == role and not (role == "user" and is_shorthand(message.content)):
                yield message.content[:_LONGEST_READ]


def _claim(sections: Sections) -> str:
    """What there is to verify: reasoning, or else an answer."""
    return sections.last(Section.REASONING) or sections.last(Section.PROPOSAL)


def _shorthand(role: PocketRole, question: str, sections: Sections, facts: tuple[str, ...]) -> str:
    match role:
        case PocketRole.DECOMPOSE:
            return role + question
        case PocketRole.FORMALISE:
            return role + ("!" if sections.last(Section.COMPLAINT) else "") + question
        case PocketRole.VERIFY:
            return verifying(question, single_spaced(_claim(sections)))
        case PocketRole.SEARCH:
            return _search(question, sections)
    if sections.last(Section.COMBINATION):  # it says all that it takes
        return solving(role, question)
    return solving(role, question, _passages(sections.last(Section.PASSAGES)) or single_spaced(" ".join(facts)))


def _passages(text: str) -> str:
    return single_spaced(_BULLET.sub("", text))


def _search(question: str, sections: Sections) -> str:
    """The question and the finished rounds."""
    rounds = []
    for section in sections.all(Section.QUERY) if sections.last(Section.QUESTION) else ():
        query, _, found = section.partition("\n")
        passages = "" if found.strip() == _NOTHING_FOUND else _passages(found)
        rounds.append((single_spaced(query), passages))
    return searching(question, rounds, last=_LAST_ROUND.search(sections.rest) is not None)
