"""Chat completions as OpenAI's clients read them: whole, or in chunks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from ....records.usage import Usage
from ...chat.completion import Json, chunk_of, head_of, usage_of
from ..engine import Generation, Written
from ..leading import said
from ..samples import Samples
from ..tokenizer import END, piece_of
from ..transcript import Transcript
from .asked import Asked
from .deltas import Deltas, calls_as_told

__all__ = ["Completion"]


class Completion:
    """The answer to one request.

    Args:
        asked: the request.
        samples: what is written for it.
        fingerprint: of the weights.
    """

    def __init__(self, asked: Asked, samples: Samples, fingerprint: str) -> None:
        self._asked = asked
        self._samples = samples
        self._head = head_of(asked.model, system_fingerprint=fingerprint)

    async def whole(self) -> Json | None:
        """All of it, when all samples have ended; None where they were cancelled."""
        async for _ in self._samples.news():
            pass
        if self._samples.cancelled:
            return None
        generations = [self._samples.generation(index) for index in range(self._asked.n)]
        return self._head | {
            "object": "chat.completion",
            "choices": [self._choice(index, generation) for index, generation in enumerate(generations)],
            "usage": self._usage(generations),
        }

    def _choice(self, index: int, generation: Generation) -> Json:
        return {
            "index": index,
            "message": self._message(generation),
            "logprobs": self._logprobs(_shown(generation.noted)),
            "finish_reason": self._finish_reason(generation),
        }

    def _message(self, generation: Generation) -> Json:
        guide = generation.guide
        if guide is None:
            transcript = Transcript(self._asked.stop)
            text = "".join(map(transcript.add, generation.tokens)) + transcript.finish()
            return {"role": "assistant", "content": text, "refusal": None}
        text, calls = said(self._samples.request, guide)
        message: Json = {"role": "assistant", "content": text or (None if calls else ""), "refusal": None}
        if guide.thought:
            message["reasoning_content"] = guide.thought
        return message | {"tool_calls": calls_as_told(calls)} if calls else message

    async def chunks(self) -> AsyncGenerator[Json, None]:
        """Piece by piece as it is written; ends early where the samples are cancelled."""
        asked = self._asked
        told = [Deltas(self._samples.request, self._samples.guide(index), asked.stop) for index in range(asked.n)]
        unsaid: list[list[Written]] = [[] for _ in range(asked.n)]
        for index in range(asked.n):
            yield self._chunk(index, {"role": "assistant", "content": "", "refusal": None})
        async for index, written in self._samples.news():
            if self._samples.cancelled:
                return
            if written is not None:
                unsaid[index] += _shown([written])
            generation = self._samples.generation(index) if written is None else None
            for delta in told[index].finish() if written is None else told[index].add(written):
                yield self._chunk(index, delta, unsaid[index])
                unsaid[index] = []
            if generation is not None:
                yield self._chunk(index, {}, unsaid[index], self._finish_reason(generation))
        if asked.include_usage:
            generations = [self._samples.generation(index) for index in range(asked.n)]
            yield self._head | {
                "object": "chat.completion.chunk",
                "choices": [],
                "usage": self._usage(generations),
            }

    def _chunk(
        self, index: int, delta: Json, written: Sequence[Written] = (), finish_reason: str | None = None
    ) -> Json:
        return chunk_of(
            self._head,
            delta,
            index=index,
            logprobs=self._logprobs(written) if written else None,
            finish_reason=finish_reason,
            include_usage=self._asked.include_usage,
        )

    def _usage(self, generations: Sequence[Generation]) -> Json:
        thought = sum(generation.guide.thought_tokens for generation in generations if generation.guide is not None)
        written = sum(len(generation.tokens) for generation in generations)
        return usage_of(Usage(self._samples.prompt_tokens, written, thought))

    def _finish_reason(self, generation: Generation) -> str:
        if generation.guide is not None and said(self._samples.request, generation.guide)[1]:
            return "tool_calls"
        return "stop" if generation.stopped else "length"

    def _logprobs(self, noted: Sequence[Written]) -> Json | None:
        if self._asked.top_logprobs is None:
            return None
        return {"content": [_noted(written) for written in noted], "refusal": None}


def _shown(noted: Sequence[Written]) -> list[Written]:
    """Without what was thought before an answer."""
    return [written for written in noted if written.part is None or not written.part.thought]


def _noted(written: Written) -> Json:
    text = None if written.part is None else written.part.text
    return _token(written.token, written.logprob, text) | {
        "top_logprobs": [_token(token, logprob) for token, logprob in written.likeliest]
    }


def _token(token: int, logprob: float | None, text: str | None = None) -> Json:
    """A token; the end of a reply has no text, because it is not part of the content."""
    text = ("" if token == END else piece_of(token)) if text is None else text
    return {"token": text, "logprob": logprob, "bytes": None if token == END else list(text.encode())}
