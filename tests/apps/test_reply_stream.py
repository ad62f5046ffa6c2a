from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from openai.types.chat import ChatCompletionChunk

from apportion.apps.reply_stream import chunks_of, pieces, pieces_async, whole
from apportion.apps.run import Answered, AppRun, RunEndpoint, Told
from apportion.models.chat.asked import Asked, read_asked
from apportion.models.chat.completion import CompletionWriter
from apportion.models.delta import Delta
from apportion.models.request import Reply
from apportion.records.usage import Usage
from apportion.web.refusal import Refusal

HELLO = read_asked(b'{"model": "worker", "messages": [{"role": "user", "content": "hello"}], "stream": true}')
REPLY = Reply("hello", "stop", Usage(3, 2))


class Telling:
    """Tells two pieces, then the whole, or that it failed; and whether it was left before its end."""

    def __init__(self, *, fails: bool = False, hangs: bool = False) -> None:
        self.fails, self.hangs = fails, hangs
        self.left = asyncio.Event()

    async def answer(self, role: str, asked: Asked, told: Told | None) -> Answered:
        assert told is not None
        told(Delta(text="hel"))
        try:
            await asyncio.sleep(60 if self.hangs else 0)
        except asyncio.CancelledError:
            self.left.set()
            raise
        if self.fails:
            raise Refusal(502, "it failed", code="provider_error")
        told(Delta(text="lo"))
        return Answered(role, "small", REPLY)

    def skips(self, node: str) -> bool:
        return False


def nowhere(run: AppRun) -> RunEndpoint:
    raise AssertionError("nobody asked for it")


def test_pieces_come_in_order_on_both_sides() -> None:
    async def main() -> tuple[list[Any], list[Any]]:
        run = AppRun(Telling(), ["worker"], nowhere)
        sync = await asyncio.to_thread(lambda: list(pieces(run, "worker", HELLO)))
        return sync, [item async for item in pieces_async(run, "worker", HELLO)]

    sync, later = asyncio.run(main())
    assert sync == later == [Delta(text="hel"), Delta(text="lo"), Answered("worker", "small", REPLY)]


def test_a_failure_comes_after_what_was_said_before_it() -> None:
    async def main() -> list[Delta]:
        run = AppRun(Telling(fails=True), ["worker"], nowhere)
        items = pieces_async(run, "worker", HELLO)
        said: list[Any] = [await anext(items)]
        with pytest.raises(Refusal, match="it failed"):
            await anext(items)
        return said

    assert asyncio.run(main()) == [Delta(text="hel")]


def test_who_leaves_a_stream_cancels_its_call() -> None:
    async def main() -> None:
        roles = Telling(hangs=True)
        run = AppRun(roles, ["worker"], nowhere)
        items: AsyncGenerator[Any, None] = pieces_async(run, "worker", HELLO)
        assert await anext(items) == Delta(text="hel")
        await items.aclose()
        await asyncio.wait_for(roles.left.wait(), 20)
        roles.left.clear()

        def leave() -> None:
            sync = pieces(run, "worker", HELLO)
            next(sync)
            sync.close()

        await asyncio.to_thread(leave)
        await asyncio.wait_for(roles.left.wait(), 20)

    asyncio.run(main())


def test_chunks_are_what_the_client_takes_for_chunks() -> None:
    writer = CompletionWriter("worker", include_usage=True)
    answered = Answered("worker", "small", REPLY)
    told = [writer.first(), *chunks_of(writer, Delta(text="hello")), *chunks_of(writer, answered)]
    chunks = [ChatCompletionChunk.model_validate(each) for each in told]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "hello"
    assert chunks[-1].usage is not None
    assert list(chunks_of(writer, Delta(usage=Usage(1, 1)))) == []
    assert whole(answered)["x_apportion"] == {"model": "small"}
