"""What an embedded model has written, as a reply: whole, or piece by piece."""

from __future__ import annotations

from collections.abc import Iterator

from ...records.usage import Usage
from ..delta import CallPiece, Delta, deltas_of
from ..request import Reply, Request
from .engine import Generation, Written
from .guide import Guide
from .guided_requests import BEHIND_NAME, call_id, said
from .tokenizer import END, PIECES, decode
from .transcript import Transcript

__all__ = ["Deltas", "reply_of"]


def reply_of(request: Request, prompt_tokens: int, generation: Generation) -> Reply:
    """A reply that has ended.

    Args:
        request: what is answered.
        prompt_tokens: the length of the prompt.
        generation: what was written.
    """
    usage = Usage(prompt_tokens, len(generation.tokens))
    if generation.guide is not None:
        return _guided(request, usage, generation, generation.guide)
    text = decode(token for token in generation.tokens if token != END)
    places = [place for place in (text.find(stop) for stop in request.stop) if place >= 0]
    return Reply(
        text=text[: min(places)] if places else text,
        finish_reason="stop" if generation.stopped else "length",
        usage=usage,
        mean_logprob=generation.mean_logprob,
        first_token_entropy=generation.first_token_entropy,
        response_model=request.model,
        pieces=tuple("" if token == END else PIECES[token] for token in generation.tokens),
        logprobs=generation.logprobs,
    )


def _guided(request: Request, usage: Usage, generation: Generation, guide: Guide) -> Reply:
    text, calls = said(request, guide)
    odds = zip(generation.logprobs, guide.parts, strict=False)
    return Reply(
        text=text,
        finish_reason="stop" if generation.stopped else "length",
        usage=Usage(usage.input_tokens, usage.output_tokens, guide.thought_tokens),
        mean_logprob=generation.mean_logprob,
        first_token_entropy=generation.first_token_entropy,
        reasoning=guide.thought,
        response_model=request.model,
        least_logprob=min((logprob for logprob, part in odds if part.chosen), default=None),
        tool_calls=calls,
    )


class Deltas:
    """What is new of a reply.

    Where it is not known before the end what a token belongs to, a thought, an answer or what stands before a call, all
    is told at the end.

    Args:
        request: what is answered.
        guide: what leads it.
    """

    def __init__(self, request: Request, guide: Guide | None) -> None:
        self._request = request
        self._guide = guide
        self._transcript = Transcript(request.stop)
        self._late = guide is not None and (guide.tools is not None or bool(guide.begun))
        self._calls = bool(request.tools) and request.tool_choice == "required"
        self._called = ""

    def add(self, written: Written) -> Iterator[Delta]:
        """Takes a token."""
        part = written.part
        if part is None:
            text = self._transcript.add(written.token)
            if text:
                yield Delta(text=text)
        elif self._late or not part.text:
            return
        elif part.thought:
            yield Delta(reasoning=part.text)
        elif self._calls:
            yield from self._call(part.text)
        else:
            yield Delta(text=part.text)

    def finish(self, reply: Reply) -> Iterator[Delta]:
        """The rest, when the whole reply is known."""
        if self._guide is None:
            text = self._transcript.finish()
            if text:
                yield Delta(text=text)
        elif self._late:
            yield from deltas_of(reply)

    def _call(self, text: str) -> Iterator[Delta]:
        """A call: its name as soon as it is whole, then its arguments as they come."""
        named, self._called = BEHIND_NAME in self._called, self._called + text
        name, begun, arguments = self._called.partition(BEHIND_NAME)
        if named:
            yield Delta(calls=(CallPiece(0, arguments=text),))
        elif begun:
            yield Delta(calls=(CallPiece(0, name, arguments, call_id(self._request)),))
