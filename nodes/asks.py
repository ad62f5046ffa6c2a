"""From what a node is given to what its prompt says, and how large that prompt can become."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from ..models.request import Request
from ..records.message import SHORT, Message
from ..records.text import clip, longest_bytes, single_spaced
from .base import CallBound, Context, Incoming, Inputs
from .prompts.base import Ask, Prompt
from .votes import normal_form

__all__ = ["NOTES", "PASSAGES", "REASON_BYTES", "ask_of", "bound_of", "request_of"]

NOTES = 16
"""The most notes of other nodes in one prompt."""
PASSAGES = 32
"""The most passages from upstream in one prompt; those of the task come on top."""
REASON_BYTES = 256
"""The most bytes of a checker's objection in a prompt."""

_REASONING = "{} (reasoning: {})"
_OBJECTION = "{} (not accepted: {})"
_NO_ANSWER = "no answer"


def ask_of(inputs: Inputs) -> Ask:
    """The question with the passages found so far, and the other nodes' answers as notes.

    A later round of a loop reads first what its checker had against the answer of the round before. A node's
    reasoning stands behind its answer. Each answer is named once.
    """
    own = len(dict.fromkeys(inputs.task.context))
    notes: dict[str, str] = {}
    if inputs.previous is not None and not inputs.previous.accepted:
        answer, reason = inputs.previous.answer, clip(single_spaced(inputs.previous.reason), REASON_BYTES)
        notes[normal_form(answer)] = _OBJECTION.format(single_spaced(answer) or _NO_ANSWER, reason or "no reason given")
    for message in inputs.messages.values():
        for form, note in _notes(message):
            notes.setdefault(form, note)
    ask = inputs.ask(notes=tuple(notes.values())[:NOTES])
    return replace(ask, passages=ask.passages[: own + PASSAGES])


def request_of(
    context: Context, model: str, prompt: Prompt, *, max_output_tokens: int, temperature: float, sample: int
) -> Request:
    """The request for a prompt, with what the model's card says that it can do."""
    card = context.card(model)
    return Request(
        model=model,
        messages=prompt.messages,
        max_output_tokens=max_output_tokens,
        temperature=temperature,
        sample=sample,
        stop=prompt.stop,
        logprobs=card.logprobs,
        response_schema=prompt.response_schema if card.json_schema else "",
        prefix=prompt.prefix,
    )


def bound_of(
    model: str,
    render: Callable[[Ask], Prompt],
    ask: Ask,
    incoming: int,
    output_tokens: int,
    *,
    extra_bytes: int = 0,
    times: int = 1,
    measure: Callable[[str], int] = longest_bytes,
) -> CallBound:
    """The size of a call whose prompt `ask_of` fills, before anything has run.

    It holds for dialects that repeat no text of an ask and add the same few bytes to each note and each passage.

    Args:
        model: the model's name.
        render: from an ask to the prompt.
        ask: the question as it is known before the run.
        incoming: what the node's edges may bring, a loop's objection included.
        output_tokens: the call's output cap.
        extra_bytes: text that is neither in the ask nor comes over an edge.
        times: how many such calls.
        measure: how large a text is, see `Speakers.measure`.
    """
    brought = Incoming.of(incoming)
    framed = _texts(render(_filled(ask, brought)))
    full = _texts(render(_filled(ask, brought, filled=True)))
    # A dialect may leave out what it has no use for, so what a text from upstream takes is seen in what is rendered.
    grown = sum(map(longest_bytes, full)) - sum(map(longest_bytes, framed))
    size = sum(map(measure, framed)) + max(0, grown)
    return CallBound(model, size + extra_bytes, max(len(framed), len(full)), output_tokens, times)


def _filled(ask: Ask, incoming: Incoming, *, filled: bool = False) -> Ask:
    """The ask with as many notes and passages as may come in; with or without text in them."""
    count = min(NOTES, sum(size.candidates for size in incoming.sizes))
    notes = [_REASONING.format("", "")] * count
    said = sum(size.said for size in incoming.sizes)
    if incoming.previous is not None:
        notes.insert(0, _OBJECTION.format(_NO_ANSWER, "x" * REASON_BYTES))
        said += incoming.previous.answer
    passages = ["x"] * min(PASSAGES, sum(size.passages for size in incoming.sizes))
    found = sum(size.evidence for size in incoming.sizes)
    if filled and said:
        notes.append("x" * said)
    if filled and found:
        passages.append("x" * found)
    return replace(ask, notes=(*ask.notes, *notes), passages=(*ask.passages, *passages))


def _texts(prompt: Prompt) -> list[str]:
    more = [text for text in (prompt.prefix, prompt.response_schema) if text]
    return [message.content for message in prompt.messages] + more


def _notes(message: Message) -> Iterator[tuple[str, str]]:
    """The answers of a message, the chosen one with its reasoning."""
    if message.answer.strip():
        answer, text = single_spaced(message.answer), single_spaced(message.text)
        size = longest_bytes(answer)
        if normal_form(text) == normal_form(answer) or not text:
            note = answer
        elif size <= SHORT or longest_bytes(text) >= 4 * size:
            note = _REASONING.format(answer, text)
        else:  # A text that is hardly more than its answer needs no second place in the prompt.
            note = text if answer in text else answer
        yield normal_form(answer), note
    for candidate in message.candidates:
        if candidate.answer.strip():
            yield normal_form(candidate.answer), single_spaced(candidate.answer)
