"""Chat completions as OpenAI's clients read them: whole, or in chunks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from ....records.usage import Usage
from ...chat.completion import Json, chunk_of, head_of, usage_of
from ..engine import Generation, Written
from ..samples import Samples
from ..tokenizer import END, PIECES
from ..transcript import Transcript
from .asked import Asked

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
            "usage": self._usage([len(generation.tokens) for generation in generations]),
        }

    def _choice(self, index: int, generation: Generation) -> Json:
        transcript = Transcript(self._asked.stop)
        text = "".join(map(transcript.add, generation.tokens)) + transcript.finish()
        return {
            "index": index,
            "message": {"role": "assistant", "content": text, "refusal": None},
            "logprobs": self._logprobs(generation.noted),
            "finish_reason": _finish_reason(generation),
        }

    async def chunks(self) -> AsyncGenerator[Json, None]:
        """Piece by piece as it is written; ends early where the samples are cancelled."""
        asked = self._asked
        transcripts = [Transcript(asked.stop) for _ in range(asked.n)]
        unsaid: list[list[Written]] = [[] for _ in range(asked.n)]
        for index in range(asked.n):
            yield self._chunk(index, {"role": "assistant", "content": "", "refusal": None})
        async for index, written in self._samples.news():
            if self._samples.cancelled:
                return
            if written is not None:
                unsaid[index].append(written)
                text = transcripts[index].add(written.token)
                if text:
                    yield self._chunk(index, {"content": text}, unsaid[index])
                    unsaid[index] = []
                continue
            generation = self._samples.generation(index)
            text = transcripts[index].finish()
            if text:
                yield self._chunk(index, {"content": text}, unsaid[index])
                unsaid[index] = []
            yield self._chunk(index, {}, unsaid[index], _finish_reason(generation))
        if asked.include_usage:
            written_tokens = [len(self._samples.generation(index).tokens) for index in range(asked.n)]
            yield self._head | {
                "object": "chat.completion.chunk",
                "choices": [],
                "usage": self._usage(written_tokens),
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

    def _usage(self, written: Sequence[int]) -> Json:
        return usage_of(Usage(self._samples.prompt_tokens, sum(written)))

    def _logprobs(self, noted: Sequence[Written]) -> Json | None:
        if self._asked.top_logprobs is None:
            return None
        return {"content": [_noted(written) for written in noted], "refusal": None}


def _finish_reason(generation: Generation) -> str:
    return "stop" if generation.stopped else "length"


def _noted(written: Written) -> Json:
    return _token(written.token, written.logprob) | {
        "top_logprobs": [_token(token, logprob) for token, logprob in written.likeliest]
    }


def _token(token: int, logprob: float | None) -> Json:
    """A token; the end of a reply has no text, because it is not part of the content."""
    text = "" if token == END else PIECES[token]
    return {"token": text, "logprob": logprob, "bytes": None if token == END else list(text.encode())}
