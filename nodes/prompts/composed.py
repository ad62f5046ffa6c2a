"""From what a node asks to messages: in the dialect's own words, or in those of the user's prompt."""

from __future__ import annotations

from ...models.request import ChatMessage
from ...records.prompt import NODE
from .base import Ask, Messages, Wording

__all__ = ["body_of", "composed", "instructed"]


def composed(ask: Ask, words: str, reply: str, more: str = "", *, schema: str = "") -> Messages:
    """The messages of one call.

    Args:
        ask: the question, and the user's prompt where the node has one.
        words: what the dialect says where the user says nothing; ends with the space before `reply`.
        reply: how to reply, so that the dialect's reader can read it.
        more: what follows the question in the course of the node's work, such as the rounds of a search.
        schema: canonical JSON schema of the reply, for models that can hold to one.
    """
    wording = ask.wording
    if wording is None:
        return _messages(words + reply, body_of(ask) + more, schema=schema)
    if wording.prompt.placeholders:
        return _messages("", _filled(ask, wording, reply) + more, wording, schema=schema)
    return _messages(instructed(wording.prompt.text, reply), body_of(ask) + more, wording, schema=schema)


def instructed(text: str, reply: str) -> str:
    """Instructions of the user's own, and below them how to reply."""
    return f"{text.rstrip()}\n{reply}" if reply else text


def body_of(ask: Ask) -> str:
    """The question first, so that the prompts of one question share a prefix."""
    sections = [_question(ask.question)]
    if ask.instructions:
        sections.append(f"How to read it:\n{ask.instructions}")
    if ask.passages:
        sections.append(f"Passages:\n{_listed(ask.passages)}")
    if ask.notes:
        sections.append(f"Answers so far, which may be wrong:\n{_listed(ask.notes)}")
    return "\n\n".join(sections)


def _filled(ask: Ask, wording: Wording, reply: str) -> str:
    values = {
        "question": ask.question,
        "instructions": ask.instructions,
        "passages": _listed(ask.passages),
        "notes": _listed(ask.notes),
        "format": reply,
        "left": wording.left,
        "rounds_left": wording.rounds_left,
    }

    def value(name: str) -> str:
        return wording.answers.get(name.removeprefix(NODE), "") if name.startswith(NODE) else values[name]

    return wording.prompt.filled(value)


def _messages(system: str, user: str, wording: Wording | None = None, *, schema: str) -> Messages:
    messages = [ChatMessage("system", system)] if system else []
    for question, answer in () if wording is None else wording.prompt.examples:
        asked = question if wording is not None and wording.prompt.placeholders else _question(question)
        messages += [ChatMessage("user", asked), ChatMessage("assistant", answer)]
    messages.append(ChatMessage("user", user))
    prefix = "" if wording is None else wording.prompt.prefix
    return Messages(tuple(messages), response_schema=schema, prefix=prefix)


def _question(text: str) -> str:
    return f"Question:\n{text}"


def _listed(texts: tuple[str, ...]) -> str:
    return "\n".join(f"- {text}" for text in texts)
