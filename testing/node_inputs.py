"""What a node may be given by those before it: nothing, a few large messages, or many small ones."""

from __future__ import annotations

from string import ascii_lowercase, printable

from ..nodes.asks import NOTES, PASSAGES
from ..nodes.base import Incoming, Inputs
from ..records.message import CANDIDATES, Candidate, Message, MessageSize
from ..records.text import longest_bytes

__all__ = ["crowded", "incoming_of"]


def crowded(inputs: Inputs, crowd: str) -> Inputs:
    """The inputs with other messages: none, some that fill their edges, or some with as many items as there can be.

    Messages that carry parts or their answers stay as they are.
    """
    if crowd == "nothing":
        return Inputs(inputs.task, inputs.question, {})
    if crowd == "few large":
        texts = [f"{n}+{n} = {n}\n{n}*{n} = {n}\n{n}-{n} = {n}\n" * 8 for n in range(CANDIDATES)]
        candidates = tuple(Candidate(f"{n:x}", text=text, source="crowd") for n, text in enumerate(texts))
        full = Message(answer="x" * 600, text="y " * 600, candidates=candidates, evidence=("a" * 1000, "é" * 900))
        previous = Message(answer="z" * 600, accepted=False, reason="ﷺ" * 100 + "w" * 1000)
    else:
        # One byte each, and no more than a prompt shows, so that what surrounds them is most of what they cost.
        candidates = tuple(Candidate(letter) for letter in ascii_lowercase[: NOTES - 1])
        full = Message(candidates=candidates, evidence=tuple(printable[:PASSAGES]))
        previous = Message(answer="z", accepted=False, reason="w" * 1000)
    messages: dict[str, Message] = {}
    for name, message in inputs.messages.items():
        messages[name] = message if _of_parts(message) else full
        full = full if crowd == "few large" or _of_parts(message) else Message()
    return Inputs(inputs.task, inputs.question, messages, 1, previous)


def _of_parts(message: Message) -> bool:
    return bool(message.parts) or any(candidate.source.startswith("p") for candidate in message.candidates)


def incoming_of(inputs: Inputs) -> Incoming:
    """What came over the edges, as narrow as it can be counted."""
    previous = None if inputs.previous is None else _size(inputs.previous)
    return Incoming(map(_size, inputs.messages.values()), previous)


def _size(message: Message) -> MessageSize:
    said = [Candidate(message.answer, text=message.text), *message.candidates]
    return MessageSize(
        answer=max(longest_bytes(candidate.answer) for candidate in said),
        text=max(longest_bytes(candidate.text) for candidate in said),
        candidates=len(said),
        evidence=sum(map(longest_bytes, message.evidence)),
        passages=len(message.evidence),
        combine=sum(map(longest_bytes, (message.combine, *(part.question for part in message.parts)))),
    )
