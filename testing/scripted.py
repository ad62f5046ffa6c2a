"""A model whose replies are planted, for tests that need a known answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace

from ..models.card import ModelCard
from ..models.delta import CallPiece, Delta
from ..models.request import ChatMessage, Reply, Request
from ..records.text import clip, longest_bytes
from ..records.usage import Usage

__all__ = ["ScriptedModel"]

_WORD = re.compile(r"\s*\S+\s*")


class ScriptedModel:
    """Answers every request with what a function says; one byte is one token, counted exactly.

    Implements `Model`. A reply longer than the request's output cap is cut there, as a model's would be.

    Example:
        ```python
        model = ScriptedModel(lambda request: "Answer: 42")
        pool = Pool([model])
        ```

    Args:
        script: from a request to the text of the reply, or to a whole `Reply` whose usage is filled in if it is None;
            it may raise `CallFailed`.
        name: the model's name in the pool.
        card: what else is known of it; its name is replaced.
        mean_logprob: what every reply reports, where the card says that it does.
    """

    def __init__(
        self,
        script: Callable[[Request], str | Reply],
        *,
        name: str = "scripted",
        card: ModelCard | None = None,
        mean_logprob: float | None = None,
    ) -> None:
        given = ModelCard(name=name, provider="scripted", attempts=1) if card is None else card
        known = {} if "bytes_per_token" in given.model_fields_set else {"bytes_per_token": 1}
        self._card = given.model_copy(update={"name": name, **known})
        self._script = script
        self._mean_logprob = mean_logprob
        self._requests: list[Request] = []

    @property
    def card(self) -> ModelCard:
        """What is known of it."""
        return self._card

    @property
    def requests(self) -> tuple[Request, ...]:
        """All requests that reached it, in order."""
        return tuple(self._requests)

    async def complete(self, request: Request) -> Reply:
        """One attempt; lets other calls run before it answers, as a real one would."""
        self._requests.append(request)
        await asyncio.sleep(0)
        said = self._script(request)
        reply = said if isinstance(said, Reply) else _cut(said, request.max_output_tokens)
        if reply.usage is None:
            usage = Usage(self._prompt_tokens(request), longest_bytes(reply.said))
            reply = replace(reply, usage=usage)
        if request.logprobs and reply.mean_logprob is None:
            reply = replace(reply, mean_logprob=self._mean_logprob)
        return reply

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        """See `StreamingModel`: the reply of `complete`, a word at a time, with other calls running in between."""
        reply = await self.complete(request)
        for delta in _words(reply):
            await asyncio.sleep(0)
            yield delta
        yield reply

    def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """A token for each byte, and those of the template."""
        contents = sum(longest_bytes(message.content) + self._card.message_tokens for message in messages)
        return self._card.template_tokens + contents

    def _prompt_tokens(self, request: Request) -> int:
        """Those of the messages, of the tools, and of the calls of earlier turns."""
        calls = (call for message in request.conversation for call in message.tool_calls)
        tools = longest_bytes(request.tools) + longest_bytes("".join(call.name + call.arguments for call in calls))
        return self.count_tokens(request.conversation) + tools

    async def aclose(self) -> None:
        """Holds no connections."""


def _words(reply: Reply) -> list[Delta]:
    refused = reply.finish_reason == "refusal"
    words = _WORD.findall(reply.text) or [reply.text]
    deltas = [Delta(reasoning=reply.reasoning)] if reply.reasoning else []
    deltas += [Delta(refusal=word) if refused else Delta(text=word) for word in words if word]
    for index, call in enumerate(reply.tool_calls):
        deltas.append(Delta(calls=(CallPiece(index, call.name, "", call.call_id, call.extra),)))
        deltas += [Delta(calls=(CallPiece(index, arguments=word),)) for word in _WORD.findall(call.arguments)]
    return deltas


def _cut(text: str, cap: int) -> Reply:
    kept = clip(text, cap)
    return Reply(kept, "stop" if kept == text else "length", None)
