"""Calls of one event loop that wait for a replica of their model: first come, first served."""

from __future__ import annotations

import asyncio
from contextvars import Context

from .pace import Turn
from .replicas import Replica, Replicas

__all__ = ["Line"]

_PROBE_SECONDS = 10.0


class Line:
    """Gives calls a replica when one is free, and holds them back to its pace.

    Args:
        replicas: of the model.
        most: the calls of this loop that each of them may have at once.
    """

    def __init__(self, replicas: Replicas, most: int) -> None:
        self._replicas = replicas
        self._most = most
        self._busy = [0] * len(replicas)
        self._head = asyncio.Lock()  # serves its waiters in order, so nothing overtakes the call at the head
        self._freed = asyncio.Event()
        self._probes: set[asyncio.Task[None]] = set()

    async def take(self, tokens: int) -> tuple[Replica, int]:
        """Waits for a replica, and for the turn there; the caller gives it back.

        Args:
            tokens: the most that the call takes.

        Returns:
            The replica, and how many ejections it had.
        """
        now = asyncio.get_running_loop().time
        while True:
            async with self._head:
                while (replica := self._choose(now(), tokens)) is None:
                    self._freed.clear()
                    await self._freed.wait()
                self._busy[replica.place] += 1
                turn, ejections = replica.pace.book(now(), tokens), replica.ejections
            try:
                if (wait := turn.start - now()) > 0:
                    await asyncio.sleep(wait)
            except asyncio.CancelledError:
                self._back_out(replica, turn)
                raise
            if replica.ejections == ejections:
                return replica, ejections
            self._back_out(replica, turn)  # it failed while this call waited for its turn

    def _back_out(self, replica: Replica, turn: Turn) -> None:
        replica.pace.give_back(turn)
        self.give(replica)

    def give(self, replica: Replica) -> None:
        """Gives a replica back after the call, whatever came of it."""
        self._busy[replica.place] -= 1
        self._freed.set()

    async def aclose(self) -> None:
        """Ends the probes in progress."""
        for probe in self._probes:
            probe.cancel()
        if self._probes:
            await asyncio.wait(self._probes)

    def _choose(self, now: float, tokens: int) -> Replica | None:
        while (due := self._replicas.due(now)) is not None:
            probe = asyncio.create_task(self._probe(due), context=Context())  # its requests are no call's
            self._probes.add(probe)
            probe.add_done_callback(self._probes.discard)
        return self._replicas.choose(now, tokens, self._busy, self._most)

    async def _probe(self, replica: Replica) -> None:
        alive: bool | None = None
        try:
            alive = await replica.endpoint.is_alive(_PROBE_SECONDS)
        finally:
            self._replicas.probed(replica, alive, asyncio.get_running_loop().time())
            self._freed.set()
