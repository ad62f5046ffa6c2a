"""Chat completions as OpenAI's clients read them: whole, or in chunks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from ....records.usage import Usage
from ...chat.completion import CompletionWriter, Json
from ...request import Reply
from ..engine import Written
from ..replies import Deltas
from ..samples import Samples
from ..tokenizer import END, piece_of
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
        self._writer = CompletionWriter(
            asked.model, include_usage=asked.include_usage, further={"system_fingerprint": fingerprint}
        )

    async def whole(self) -> Json | None:
        """All of it, when all samples have ended; None where they were cancelled."""
        async for _ in self._samples.news():
            pass
        if self._samples.cancelled:
            return None
        replies = self._replies()
        choices = [
            self._writer.choice(reply, index, self._logprobs(_shown(self._samples.generation(index).noted)))
            for index, reply in enumerate(replies)
        ]
        return self._writer.completion(choices, _usage(replies))

    async def chunks(self) -> AsyncGenerator[Json, None]:
        """Piece by piece as it is written; ends early where the samples are cancelled."""
        asked, writer = self._asked, self._writer
        told = [Deltas(self._samples.request, self._samples.guide(index)) for index in range(asked.n)]
        unsaid: list[list[Written]] = [[] for _ in range(asked.n)]
        for index in range(asked.n):
            yield writer.first(index)
        async for index, written in self._samples.news():
            if self._samples.cancelled:
                return
            if written is None:
                reply = self._samples.reply(index)
                deltas = told[index].finish(reply)
            else:
                unsaid[index] += _shown([written])
                deltas = told[index].add(written)
            for delta in deltas:
                yield writer.delta(delta, index, self._logprobs(unsaid[index]))
                unsaid[index] = []
            if written is None:
                yield writer.end(reply, index, self._logprobs(unsaid[index]))
        if asked.include_usage:
            yield writer.used(_usage(self._replies()))

    def _replies(self) -> list[Reply]:
        return [self._samples.reply(index) for index in range(self._asked.n)]

    def _logprobs(self, noted: Sequence[Written]) -> Json | None:
        if self._asked.top_logprobs is None or not noted:
            return None
        return {"content": [_noted(written) for written in noted], "refusal": None}


def _usage(replies: Sequence[Reply]) -> Usage:
    """What all samples took; their prompt was read once."""
    used = [reply.usage for reply in replies if reply.usage is not None]
    return Usage(
        used[0].input_tokens, sum(one.output_tokens for one in used), sum(one.reasoning_tokens for one in used)
    )


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
