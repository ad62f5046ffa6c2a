r"""Chat messages as the text of a question, and back.

One message of the user is its text. Several, or one of another role, are written one after another, with an empty line
between them; each begins with a line of its own that says whose it is::

    ### system
    Answer in one word.

    ### user
    What is the capital of Italy?

A line of a message that reads like such a line itself has a backslash before it (and one more, where it begins with
some already), so that nothing in a message begins another, and `messages_of` gives back what was written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["ROLES", "is_chat", "messages_of", "question_of"]

ROLES = ("system", "developer", "user", "assistant", "tool")
_HEAD = re.compile(rf"### ({'|'.join(ROLES)})")
_LIKE_A_HEAD = re.compile(rf"\\*### ({'|'.join(ROLES)})")


def is_chat(value: object) -> bool:
    """Whether a JSON value looks like chat messages: a list of objects that have a role and a content."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(each, Mapping) and "role" in each and "content" in each for each in value)
    )


def question_of(messages: Sequence[Any]) -> str:
    """The text of a question.

    Args:
        messages: objects with `role` and `content`; a content is a text, or parts `{"type": "text", "text": "..."}`.
            What else they have must be null.

    Raises:
        ValueError: they are something else; the text says which message, and what to do.
    """
    if not messages:
        raise ValueError("there are no messages; the least is one of the role 'user'")
    pairs = [_pair(place, message) for place, message in enumerate(messages)]
    if len(pairs) == 1 and pairs[0][0] == "user" and not any(map(_LIKE_A_HEAD.fullmatch, pairs[0][1].split("\n"))):
        return pairs[0][1]
    return "\n\n".join(f"### {role}\n{_escaped(content)}" for role, content in pairs)


def messages_of(question: str) -> list[dict[str, str]]:
    """The messages that a question was made from; a text that was not made from several is one of the user."""
    lines = question.split("\n")
    if not _HEAD.fullmatch(lines[0]):
        return [{"role": "user", "content": question}]
    found: list[tuple[str, list[str]]] = []
    for line in lines:
        head = _HEAD.fullmatch(line)
        if head is not None:
            if found and found[-1][1][-1:] == [""]:  # the empty line between two messages
                found[-1][1].pop()
            found.append((head[1], []))
        else:
            found[-1][1].append(line[1:] if line.startswith("\\") and _LIKE_A_HEAD.fullmatch(line) else line)
    return [{"role": role, "content": "\n".join(content)} for role, content in found]


def _pair(place: int, message: Any) -> tuple[str, str]:
    where = f"message {place + 1}"
    if not isinstance(message, Mapping):
        raise ValueError(f"{where} must be an object with role and content, not {type(message).__name__}")
    role, content = message.get("role"), message.get("content")
    if role not in ROLES:
        raise ValueError(f"{where} has the role {role!r}; it must be one of {', '.join(ROLES)}")
    for name, value in message.items():
        if name not in ("role", "content") and value is not None:
            raise ValueError(f"{where} has the field {name!r}, which the text of a question cannot hold; take it out")
    if isinstance(content, list) and all(map(_is_text_part, content)):
        content = "".join(part["text"] for part in content)
    if not isinstance(content, str):
        raise ValueError(f"{where} must have a text as its content; only text can be asked")
    return role, content


def _is_text_part(part: Any) -> bool:
    return isinstance(part, Mapping) and part.get("type") == "text" and isinstance(part.get("text"), str)


def _escaped(content: str) -> str:
    return "\n".join(f"\\{line}" if _LIKE_A_HEAD.fullmatch(line) else line for line in content.split("\n"))
