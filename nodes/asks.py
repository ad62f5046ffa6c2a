"""From what a node is given to what its prompt says, and how large that prompt can become."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from ..models.request import Request
from ..records.message import Message
from ..records.text import clip, longest_bytes, one_line
from .base import CallBound, Context, Inputs
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
        answer, reason = inputs.previous.answer, clip(one_line(inputs.previous.reason), REASON_BYTES)
        notes[normal_form(answer)] = _OBJECTION.format(one_line(answer) or _NO_ANSWER, reason or "no reason given")
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
) -> CallBound:
    """The size of a call whose prompt `ask_of` fills, before anything has run.

    It holds for dialects that repeat no text of an ask and add the same few bytes to each note and each passage.

    Args:
        model: the model's name.
        render: from an ask to the prompt.
        ask: the question as it is known before the run.
        incoming: the most bytes that the node's edges bring, a loop's objection included.
        output_tokens: the call's output cap.
        extra_bytes: text that is neither in the ask nor comes over an edge.
        times: how many such calls.
    """
    filled = _filled(ask, incoming) if incoming else (ask,)
    sizes = [[longest_bytes(text) for text in _texts(render(variant))] for variant in filled]
    size, messages = max((sum(texts), len(texts)) for texts in sizes)
    return CallBound(model, size + extra_bytes, messages, output_tokens, times)


def _filled(ask: Ask, incoming: int) -> Iterator[Ask]:
    """The ask with everything from upstream among its notes, and with everything among its passages."""
    frame = "x" * len(_REASONING)
    notes = (*ask.notes, "x" * (len(_OBJECTION) + REASON_BYTES + len(_NO_ANSWER)), *([frame] * NOTES))
    passages = (*ask.passages, *(["x"] * PASSAGES))
    yield replace(ask, passages=passages, notes=(*notes, "x" * incoming))
    yield replace(ask, passages=(*passages, "x" * incoming), notes=notes)


def _texts(prompt: Prompt) -> list[str]:
    schema = [prompt.response_schema] if prompt.response_schema else []
    return [message.content for message in prompt.messages] + schema


def _notes(message: Message) -> Iterator[tuple[str, str]]:
    """The answers of a message, the chosen one with its reasoning."""
    if message.answer.strip():
        answer, text = one_line(message.answer), one_line(message.text)
        reasoned = bool(text) and normal_form(text) != normal_form(answer)
        yield normal_form(answer), _REASONING.format(answer, text) if reasoned else answer
    for candidate in message.candidates:
        if candidate.answer.strip():
            yield normal_form(candidate.answer), one_line(candidate.answer)
