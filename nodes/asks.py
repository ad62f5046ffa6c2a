"""From what a node is given to what its prompt says, and how large that prompt can become."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from ..models.effort import Effort
from ..models.request import ChatMessage, Request
from ..records.message import SHORT, Message
from ..records.text import clip, longest_bytes, single_spaced
from .answer_node import output_of
from .base import CallBound, Context, Incoming, Inputs, Node, Speakers
from .knob import MOST_TIMES
from .prompts.base import Ask, Messages, Wording
from .votes import normal_form

__all__ = ["FILLER", "NOTES", "PASSAGES", "REASON_BYTES", "ask_of", "bound_of", "request_of", "wording_of"]

NOTES = 16
"""The most notes of other nodes in one prompt."""
FILLER = "\udfff"
"""A byte of a text that is not known yet. No text has half of a surrogate pair, so it is told apart from what is known,
and tokenizers, which make one token of many equal letters, never see it."""
PASSAGES = 32
"""The most passages from upstream in one prompt; those of the task come on top."""
REASON_BYTES = 256
"""The most bytes of a checker's objection in a prompt."""

_REASONING = "{} (reasoning: {})"
_OBJECTION = "{} (not accepted: {})"
_NO_ANSWER = "no answer"
_MOST_LEFT = 10**12 - 1
"""What is left is told up to this many tokens."""
_MOST_ROUNDS = str(MOST_TIMES)


def ask_of(inputs: Inputs, node: Node | None = None) -> Ask:
    """The question with the passages found so far, the other nodes' answers as notes, and the prompt of a node.

    A later round of a loop reads first what its checker had against the answer of the round before. A node's
    reasoning stands behind its answer. Each answer is named once.
    """
    own = len(dict.fromkeys(inputs.task.context))
    notes: dict[str, str] = {}
    if inputs.previous is not None and not inputs.previous.accepted:
        before, reason = inputs.previous, clip(single_spaced(inputs.previous.reason), REASON_BYTES)
        exact = before.form or before.data is not None
        answer = before.answer if exact else single_spaced(before.answer)
        shown = _fenced(answer) if exact and "\n" in answer else answer
        notes[before.form or normal_form(answer)] = _OBJECTION.format(shown or _NO_ANSWER, reason or "no reason given")
    for message in inputs.messages.values():
        for form, note in _notes(message):
            notes.setdefault(form, note)
    ask = inputs.ask(notes=tuple(notes.values())[:NOTES])
    return replace(
        ask, passages=ask.passages[: own + PASSAGES], wording=wording_of(node, inputs), output=output_of(node)
    )


def wording_of(node: Node | None, inputs: Inputs) -> Wording | None:
    """The prompt of a pinned node with what its placeholders need; None where it has none."""
    prompts = () if node is None else node.prompts()
    if not prompts:
        return None
    (prompt,) = prompts
    answers = {name: inputs.messages[name].answer for name in prompt.nodes if name in inputs.messages}
    left = "" if inputs.left is None else _two_digits(inputs.left)
    return Wording(prompt, answers, left, "" if inputs.rounds_left is None else str(inputs.rounds_left))


def _two_digits(number: int) -> str:
    """A number rounded down to its first two digits: a prompt that tells every token would never be asked twice."""
    number = max(0, min(number, _MOST_LEFT))
    return str(number)[:2] + "0" * (len(str(number)) - 2)


def request_of(
    context: Context,
    model: str,
    prompt: Messages,
    *,
    max_output_tokens: int,
    temperature: float,
    sample: int,
    node: Node | None = None,
) -> Request:
    """The request for a prompt, with what the model's card says that it can do, and the effort that the node asks for.

    Of the output cap and that of the effort, the smaller holds.
    """
    card = context.card(model)
    effort = (None if node is None else node.effort_on(card)) or Effort()
    return Request(
        model=model,
        messages=_with_words(prompt.messages, effort.prompt),
        max_output_tokens=_capped(max_output_tokens, effort),
        temperature=temperature,
        sample=sample,
        stop=prompt.stop,
        logprobs=card.logprobs,
        effort_fields=effort.fields,
        response_schema=prompt.response_schema if card.json_schema else "",
        prefix="" if card.prefix == "none" else prompt.prefix,
        tools=prompt.tools if card.tools else "",
        tool_choice=prompt.tool_choice,
    )


def _capped(output_tokens: int, effort: Effort) -> int:
    return min(output_tokens, effort.max_output_tokens or output_tokens)


def _with_words(messages: tuple[ChatMessage, ...], words: str) -> tuple[ChatMessage, ...]:
    """The messages with words of an effort as the last line of the instructions, where models look for them."""
    if not words:
        return messages
    if messages and messages[0].role == "system":
        return (ChatMessage("system", f"{messages[0].content}\n{words}"), *messages[1:])
    return (ChatMessage("system", words), *messages)


def bound_of(
    model: str,
    render: Callable[[Ask], Messages],
    ask: Ask,
    incoming: int,
    output_tokens: int,
    *,
    node: Node | None = None,
    upstream: Incoming | None = None,
    extra_bytes: int = 0,
    times: int = 1,
    speakers: Speakers | None = None,
) -> CallBound:
    """The size of a call whose prompt `ask_of` fills, before anything has run.

    It holds for dialects that repeat no text of an ask and add the same few bytes to each note and each passage.

    Args:
        model: the model's name.
        render: from an ask to the prompt.
        ask: the question as it is known before the run.
        incoming: what the node's edges may bring, a loop's objection included.
        output_tokens: the call's output cap.
        node: who asks, where it may have a prompt of the user's own or ask for an effort.
        upstream: what the answers of `{node:NAME}` come from, where it is not what the edges bring.
        extra_bytes: text that is neither in the ask nor comes over an edge.
        times: how many such calls.
        speakers: how large texts are, and what is known of the model; bytes, and nothing, where left out.
    """
    brought, prompts = Incoming.of(incoming), () if node is None else node.prompts()
    ask = replace(ask, output=output_of(node))
    effort = (None if node is None or speakers is None else node.effort_on(speakers.card(model))) or Effort()
    measure = longest_bytes if speakers is None else speakers.measure
    if prompts:
        ask = replace(ask, wording=Wording(prompts[0], left="9" * len(str(_MOST_LEFT)), rounds_left=_MOST_ROUNDS))
    words = [f"\n{effort.prompt}"] if effort.prompt else []
    framed = _texts(render(_filled(ask, brought))) + words
    full = _texts(render(_named(_filled(ask, brought, filled=True), brought if upstream is None else upstream)))
    full += words
    # A dialect may leave out what it has no use for, so what a text from upstream takes is seen in what is rendered.
    grown = sum(_size(text, longest_bytes) for text in full) - sum(_size(text, longest_bytes) for text in framed)
    size = sum(_size(text, measure) for text in framed) + max(0, grown) + longest_bytes(effort.fields)
    return CallBound(model, size + extra_bytes, max(len(framed), len(full)), _capped(output_tokens, effort), times)


def _filled(ask: Ask, incoming: Incoming, *, filled: bool = False) -> Ask:
    """The ask with as many notes and passages as may come in; with or without text in them."""
    count = min(NOTES, sum(size.candidates for size in incoming.sizes))
    notes = [_REASONING.format("", "")] * count
    said = sum(size.said for size in incoming.sizes)
    if incoming.previous is not None:
        notes.insert(0, _OBJECTION.format(_NO_ANSWER, FILLER * REASON_BYTES))
        said += incoming.previous.answer
    passages = ["x"] * min(PASSAGES, sum(size.passages for size in incoming.sizes))
    found = sum(size.evidence for size in incoming.sizes)
    if filled and said:
        notes.append(FILLER * said)
    if filled and found:
        passages.append(FILLER * found)
    return replace(ask, notes=(*ask.notes, *notes), passages=(*ask.passages, *passages))


def _named(ask: Ask, upstream: Incoming) -> Ask:
    """The ask with an answer as large as can be for each node that its prompt names."""
    if ask.wording is None:
        return ask
    most = FILLER * max((size.answer for size in upstream.sizes), default=0)
    return replace(ask, wording=replace(ask.wording, answers=dict.fromkeys(ask.wording.prompt.nodes, most)))


def _size(text: str, measure: Callable[[str], int]) -> int:
    """How large a text is, where each filler may become a byte that is a token of its own."""
    fillers = text.count(FILLER)
    return fillers + measure(text.replace(FILLER, "")) if fillers else measure(text)


def _texts(prompt: Messages) -> list[str]:
    more = [text for text in (prompt.prefix, prompt.response_schema) if text]
    return [message.content for message in prompt.messages] + more


def _notes(message: Message) -> Iterator[tuple[str, str]]:
    """The answers of a message, the chosen one with its reasoning; those with a form of their own sign by sign."""
    lead = message.form or (message.answer if message.data is not None else "")
    if lead and "\n" in message.answer:
        yield lead, _fenced(message.answer)
    elif message.answer.strip():
        answer, text = message.answer if lead else single_spaced(message.answer), single_spaced(message.text)
        size = longest_bytes(answer)
        if normal_form(text) == normal_form(answer) or not text:
            note = answer
        elif size <= SHORT or longest_bytes(text) >= 4 * size:
            note = _REASONING.format(answer, text)
        else:  # A text that is hardly more than its answer needs no second place in the prompt.
            note = text if answer in text else answer
        yield lead or normal_form(answer), note
    for candidate in message.candidates:
        if candidate.form:
            yield candidate.form, _fenced(candidate.answer) if "\n" in candidate.answer else candidate.answer
        elif candidate.answer.strip():
            yield normal_form(candidate.answer), single_spaced(candidate.answer)


def _fenced(answer: str) -> str:
    """An answer of several lines as it is, below the mark of its note; a fence in it is left without another."""
    return f"\n{answer}" if "```" in answer else f"\n```\n{answer}\n```"
