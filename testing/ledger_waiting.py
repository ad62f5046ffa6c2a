"""What every ledger must do for callers that wait, are cancelled, or come from several threads, as tests."""

from __future__ import annotations

import asyncio
import threading

import pytest

from ..records.protocols import Short
from ..records.rows import Balance
from .plain_ledger import AccountTree, amount_of, token_limit

__all__ = ["WaitingConformance"]


class WaitingConformance:
    """Part of `LedgerConformance`."""

    def test_waiting_ends_with_a_settlement(self, tree: AccountTree) -> None:
        """Whoever waits on the account that was short is woken by a settlement below it."""
        tree.open(token_limit(10))

        async def wait() -> None:
            name = await tree.reserve(tree.b, 10)
            with pytest.raises(Short) as caught:
                await tree.reserve(tree.a, 1)
            waiting = asyncio.create_task(tree.ledger.wait_for_release(caught.value.account_id, 60))
            await asyncio.sleep(0.01)
            tree.settle(name, charged=1)
            await asyncio.wait_for(waiting, 30)
            await tree.reserve(tree.a, 1)

        asyncio.run(wait())

    def test_waiting_ends_with_its_time(self, tree: AccountTree) -> None:
        """Without a settlement the wait ends by itself."""
        tree.open(token_limit(10))
        asyncio.run(asyncio.wait_for(tree.ledger.wait_for_release(tree.study, 0.02), 30))

    def test_a_cancelled_task_can_settle(self, tree: AccountTree) -> None:
        """Settling needs no await, so a second cancellation cannot come between."""
        tree.open()

        async def call(reserved: asyncio.Event) -> None:
            name = await tree.reserve(tree.a, 10)
            reserved.set()
            try:
                await asyncio.sleep(60)
            finally:
                tree.settle(name, lost=10)

        async def cancel() -> None:
            reserved = asyncio.Event()
            task = asyncio.create_task(call(reserved))
            await reserved.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(cancel())
        assert tree.ledger.balance(tree.a).lost == amount_of(10)

    def test_a_cancelled_reservation_takes_nothing(self, tree: AccountTree) -> None:
        """Who is cancelled while reserving holds nothing, or holds it and knows."""
        tree.open(token_limit(10))

        async def cancel() -> int:
            task = asyncio.create_task(tree.reserve(tree.a, 10))
            await asyncio.sleep(0)
            task.cancel()
            done = (await asyncio.gather(task, return_exceptions=True))[0]
            return 0 if isinstance(done, BaseException) else 10

        held = asyncio.run(cancel())
        assert tree.ledger.balance(tree.study).reserved == amount_of(held)

    def test_threads_cannot_pass_a_limit_together(self, tree: AccountTree) -> None:
        """From many threads and tasks at once, every balance seen is within the limit, and the sums come out."""
        tree.open(token_limit(50))
        calls = [0] * 4
        seen: list[Balance] = []

        async def caller(thread: int, own: str) -> None:
            for size in (7, 11, 3, 9):
                try:
                    name = await tree.reserve(own, size)
                except Short:
                    await asyncio.sleep(0)
                    continue
                seen.append(tree.ledger.balance(tree.study))
                await asyncio.sleep(0)
                tree.settle(name, charged=size - 2)
                calls[thread] += size - 2

        async def callers(thread: int) -> None:
            await asyncio.gather(*(caller(thread, own) for own in (tree.a, tree.b, tree.batch)))

        threads = [threading.Thread(target=lambda n=number: asyncio.run(callers(n))) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert seen
        assert all(balance.paid.tokens + balance.reserved.tokens <= 50 for balance in seen)
        assert tree.ledger.balance(tree.study) == Balance(charged=amount_of(sum(calls)), paid=amount_of(sum(calls)))
