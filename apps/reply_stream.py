"""A role's reply while it comes: made on the loop of its run, read piece by piece on any other thread or loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator, Iterator
from concurrent.futures import CancelledError as Cancelled
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import TypeAlias

from ..models.chat.asked import Asked
from ..models.chat.completion import CompletionWriter, Json
from ..models.delta import Delta
from .run import Answered, AppRun, AppStopped

__all__ = ["Piece", "chunks_of", "pieces", "pieces_async", "whole"]

Piece: TypeAlias = Delta | Answered
"""Of a reply: what it says, and last the whole."""


def pieces(run: AppRun, role: str, asked: Asked) -> Generator[Piece, None, None]:
    """The pieces of a reply, for sync code; closing it cancels the call.

    Raises:
        Refusal, AppStopped, UsageError: as `AppRun.ask`.
    """
    run.check_thread()
    arrived: SimpleQueue[Delta | Future[Answered]] = SimpleQueue()
    future = run.submit(role, asked, arrived.put)
    future.add_done_callback(arrived.put)
    try:
        while isinstance(item := arrived.get(), Delta):
            yield item
        yield item.result()
    except Cancelled:
        raise AppStopped("the run that this call belongs to has ended") from None
    finally:
        future.cancel()


async def pieces_async(run: AppRun, role: str, asked: Asked) -> AsyncGenerator[Piece, None]:
    """The pieces of a reply, on any loop; closing it cancels the call.

    Raises:
        Refusal: see `Roles.answer`.
        CancelledError: the run has ended.
    """
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[Delta | Future[Answered]] = asyncio.Queue()

    def put(item: Delta | Future[Answered]) -> None:
        with suppress(RuntimeError):  # the loop of who asked may be gone
            loop.call_soon_threadsafe(arrived.put_nowait, item)

    try:
        future = run.submit(role, asked, put)
    except AppStopped:
        raise asyncio.CancelledError from None
    future.add_done_callback(put)
    try:
        while isinstance(item := await arrived.get(), Delta):
            yield item
        yield item.result()
    except Cancelled:
        raise asyncio.CancelledError from None
    finally:
        future.cancel()


def whole(answered: Answered) -> Json:
    """The completion of a reply."""
    return CompletionWriter(answered.role).whole(answered.reply, _beside(answered))


def chunks_of(writer: CompletionWriter, piece: Piece) -> Iterator[Json]:
    """The chunks of a piece; those of the last one end the stream."""
    if isinstance(piece, Delta):
        if piece.says_something:
            yield writer.delta(piece)
        return
    yield from writer.last(piece.reply, _beside(piece))


def _beside(answered: Answered) -> Json:
    return {"x_apportion": {"model": answered.model}}
