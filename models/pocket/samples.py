"""Requests of one kind while they are written, token by token."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from functools import partial

from ..request import Reply, Request
from .engine import Generation, Job, Written
from .guide import Guide
from .replies import reply_of

__all__ = ["Samples"]


class Samples:
    """Several samples of one prompt, begun together. To be used from one event loop.

    Args:
        request: the first of them; the others differ in their draws.
        begin: starts them, given what is to be told of every token, see `PocketModel.begin`.
        token_by_token: whether to tell of every token, or of the ends only.
    """

    def __init__(
        self,
        request: Request,
        begin: Callable[[Callable[[int, Written], None] | None], tuple[Job, ...]],
        *,
        token_by_token: bool,
    ) -> None:
        self.request = request
        """The first of them."""
        self._loop = asyncio.get_running_loop()
        self._news: asyncio.Queue[tuple[int, Written | None]] = asyncio.Queue()
        self._jobs = begin(self._tell if token_by_token else None)
        for index, job in enumerate(self._jobs):
            job.done.add_done_callback(partial(self._end, index))

    @property
    def cancelled(self) -> bool:
        """Whether they were ended before their time."""
        return any(job.done.cancelled() for job in self._jobs)

    def cancel(self) -> None:
        """Ends those that are not ended; nobody waits for them any more."""
        for job in self._jobs:
            job.done.cancel()

    def generation(self, index: int) -> Generation:
        """What was written for a sample that has ended.

        Raises:
            Exception: what the engine failed with.
        """
        return self._jobs[index].done.result()

    def reply(self, index: int) -> Reply:
        """The reply of a sample that has ended; raises as `generation`."""
        return reply_of(self.request, len(self._jobs[index].tokens), self.generation(index))

    def guide(self, index: int) -> Guide | None:
        """What leads a sample."""
        return self._jobs[index].guide

    async def news(self) -> AsyncIterator[tuple[int, Written | None]]:
        """The position of a sample with a token written for it, or with None at its end; until all have ended."""
        open_samples = len(self._jobs)
        while open_samples:
            index, written = await self._news.get()
            if written is None:
                open_samples -= 1
            yield index, written

    def _end(self, index: int, done: Future[Generation]) -> None:
        self._tell(index, None)

    def _tell(self, index: int, written: Written | None) -> None:
        """Called from the engine's thread."""
        try:
            self._loop.call_soon_threadsafe(self._news.put_nowait, (index, written))
        except RuntimeError:
            # The loop has ended, so nobody listens any more; the engine must go on with the others.
            return
