"""What every `LedgerBackend` must do, as tests. Needs pytest and hypothesis.

Subclass it in a test module and say how to open books that are empty:

    class TestMyLedger(LedgerConformance):
        @contextmanager
        def open_ledger(self, folder: Path) -> Iterator[LedgerBackend]:
            yield MyLedger()

The contract, beyond the text of the protocol:

- A reservation counts in all three units on its account and on every ancestor; a limit looks at its own unit only.
- Of several accounts that are in the way, `Short` names the one nearest the root, and nothing was taken anywhere.
- What fits exactly fits. A settlement gives back what was reserved and not used.
- Balances are sums over reservations: `charged` and `lost` as settled, `paid` the same for those that are not cached,
  `reserved` for those that are open.
- A cached reservation leaves `reserved`, `in_flight` and `paid` of accounts that measure paid as they were.
- An allowance counts as reserved, but not as in flight, and its room is not releasable. `replaces` ends it in the same
  step in which the new reservation is taken; where that does not fit, the allowance stays.
- Opening an account again keeps its balance. Limits may be raised; they cannot be lowered, added or removed.
"""

from __future__ import annotations

import asyncio
import threading
import uuid

import pytest
from hypothesis import HealthCheck, given, settings

from ..errors import UnknownName
from ..records.protocols import LedgerBackend, Short
from ..records.rows import AccountRow, Balance, Limit, Unit
from ..records.usage import ZERO
from .ledger_accounts import AccountConformance
from .plain_ledger import OPERATIONS, AccountTree, Operations, amount_of, play, token_limit

__all__ = ["LedgerConformance"]

_UNCHECKED = (
    HealthCheck.function_scoped_fixture,  # each example opens accounts of its own on the same books
    HealthCheck.differing_executors,  # the suite is subclassed: that is what it is for
    HealthCheck.too_slow,
)


class LedgerConformance(AccountConformance):
    """The tests; see the text of this module."""

    def test_reserves_on_every_ancestor_in_every_unit(self, tree: AccountTree) -> None:
        """A reservation counts on its account and above it, and nowhere else."""
        tree.open(token_limit(100))
        asyncio.run(tree.reserve(tree.a, 10))
        held = Balance(reserved=amount_of(10), in_flight=1)
        assert tree.balances() == {tree.study: held, tree.batch: held, tree.a: held, tree.b: Balance()}

    def test_takes_from_all_or_none(self, tree: AccountTree) -> None:
        """What fits the task but not the study leaves every account as it was."""
        tree.open(token_limit(9), None, token_limit(100))
        with pytest.raises(Short) as caught:
            asyncio.run(tree.reserve(tree.a, 10))
        assert (caught.value.account_id, caught.value.needed, caught.value.free) == (tree.study, 10, 9)
        assert set(tree.balances().values()) == {Balance()}

    def test_names_the_account_nearest_the_root(self, tree: AccountTree) -> None:
        """Of several accounts in the way, the highest is named."""
        tree.open(None, token_limit(5), token_limit(1))
        with pytest.raises(Short) as caught:
            asyncio.run(tree.reserve(tree.a, 10))
        assert caught.value.account_id == tree.batch

    def test_fills_a_limit_exactly(self, tree: AccountTree) -> None:
        """The last token can be reserved, and not one more."""
        tree.open(token_limit(10))

        async def fill() -> None:
            await tree.reserve(tree.a, 4)
            await tree.reserve(tree.b, 6)
            with pytest.raises(Short) as caught:
                await tree.reserve(tree.b, 1)
            assert (caught.value.free, caught.value.releasable) == (0, 10)

        asyncio.run(fill())

    @pytest.mark.parametrize(("unit", "factor"), [("tokens", 1), ("weighted", 3), ("usd", 7)])
    def test_a_limit_counts_its_own_unit(self, tree: AccountTree, unit: Unit, factor: int) -> None:
        """`needed` and `free` are in the unit of the limit."""
        tree.open(Limit(unit, 10 * factor))

        async def fill() -> None:
            await tree.reserve(tree.a, 10)
            with pytest.raises(Short) as caught:
                await tree.reserve(tree.a, 1)
            assert (caught.value.needed, caught.value.free) == (factor, 0)

        asyncio.run(fill())

    @pytest.mark.parametrize("limits", [(token_limit(10), None), (None, token_limit(10))], ids=["paid", "charged"])
    def test_settlement_gives_back_what_was_not_used(
        self, tree: AccountTree, limits: tuple[Limit | None, Limit | None]
    ) -> None:
        """Charged and lost stay, the rest is free again and no more than that."""
        tree.open(*limits)

        async def use() -> None:
            name = await tree.reserve(tree.a, 10)
            tree.settle(name, charged=3, lost=2)
            await tree.reserve(tree.b, 5)
            with pytest.raises(Short):
                await tree.reserve(tree.b, 1)

        asyncio.run(use())
        spent = Balance(charged=amount_of(3), lost=amount_of(2), paid=amount_of(5))
        assert tree.ledger.balance(tree.a) == spent
        held = Balance(amount_of(3), amount_of(2), amount_of(5), amount_of(5), 1)
        assert tree.ledger.balance(tree.study) == held

    def test_settles_once(self, tree: AccountTree) -> None:
        """The second settlement of a reservation changes nothing, whatever it says."""
        tree.open()
        name = asyncio.run(tree.reserve(tree.a, 10))
        tree.settle(name, charged=3)
        before = tree.balances()
        tree.settle(name, charged=3)
        tree.settle(name, lost=10)
        assert tree.balances() == before

    def test_books_more_than_was_reserved_in_full(self, tree: AccountTree) -> None:
        """Past its limit an account lets nothing through, not even what it had room for."""
        tree.open(token_limit(10))

        async def overshoot() -> None:
            name = await tree.reserve(tree.a, 5)
            await tree.reserve(tree.b, 5)
            tree.settle(name, charged=9)
            with pytest.raises(Short) as caught:
                await tree.reserve(tree.b, 1)
            assert (caught.value.free, caught.value.releasable) == (-4, 5)

        asyncio.run(overshoot())
        assert tree.ledger.balance(tree.study).charged == amount_of(9)

    def test_a_cached_reply_is_charged_but_not_paid(self, tree: AccountTree) -> None:
        """Accounts that measure paid do not hold it, do not pay it, and are never too full for it."""
        tree.open(token_limit(10), token_limit(25))

        async def use() -> None:
            await tree.reserve(tree.b, 10)
            name = await tree.reserve(tree.a, 15, cached=True)
            assert tree.ledger.balance(tree.batch).reserved == amount_of(25)
            assert tree.ledger.balance(tree.study) == Balance(reserved=amount_of(10), in_flight=1)
            with pytest.raises(Short) as caught:
                await tree.reserve(tree.a, 1, cached=True)
            assert caught.value.account_id == tree.batch
            tree.settle(name, charged=15)

        asyncio.run(use())
        assert tree.ledger.balance(tree.batch) == Balance(amount_of(15), ZERO, ZERO, amount_of(10), 1)
        assert tree.ledger.balance(tree.study) == Balance(amount_of(15), ZERO, ZERO, amount_of(10), 1)

    def test_an_allowance_is_held_and_not_in_flight(self, tree: AccountTree) -> None:
        """Nobody need wait for it to be released."""
        tree.open(token_limit(10))

        async def hold() -> None:
            await tree.reserve(tree.a, 6, "allowance")
            await tree.reserve(tree.b, 1)
            with pytest.raises(Short) as caught:
                await tree.reserve(tree.b, 4)
            assert (caught.value.free, caught.value.releasable, caught.value.held) == (3, 1, 6)

        asyncio.run(hold())
        assert tree.ledger.balance(tree.study) == Balance(reserved=amount_of(7), in_flight=1)

    def test_a_reservation_takes_the_room_of_the_allowance_it_replaces(self, tree: AccountTree) -> None:
        """The allowance ends in the same step, and only once."""
        tree.open(token_limit(10), None, token_limit(10))

        async def replace() -> None:
            allowance = await tree.reserve(tree.a, 6, "allowance")
            await tree.reserve(tree.b, 4)
            name = await tree.reserve(tree.a, 5, replaces=allowance)
            assert tree.ledger.balance(tree.a) == Balance(reserved=amount_of(5), in_flight=1)
            with pytest.raises(UnknownName):
                await tree.reserve(tree.a, 1, replaces=allowance)
            tree.settle(allowance, charged=6)
            tree.settle(name, charged=2)

        asyncio.run(replace())
        assert tree.ledger.balance(tree.a) == Balance(charged=amount_of(2), paid=amount_of(2))

    def test_an_allowance_stays_where_its_successor_does_not_fit(self, tree: AccountTree) -> None:
        """Too large a successor takes nothing and ends nothing."""
        tree.open(token_limit(10))

        async def replace() -> None:
            allowance = await tree.reserve(tree.a, 6, "allowance")
            before = tree.balances()
            with pytest.raises(Short):
                await tree.reserve(tree.a, 11, replaces=allowance)
            assert tree.balances() == before
            await tree.reserve(tree.a, 10, replaces=allowance)

        asyncio.run(replace())

    def test_an_allowance_can_be_given_back(self, tree: AccountTree) -> None:
        """A settlement of nothing frees it."""
        tree.open(token_limit(10))
        tree.settle(asyncio.run(tree.reserve(tree.a, 10, "allowance")))
        assert tree.ledger.balance(tree.study) == Balance()

    def test_unknown_names(self, tree: AccountTree) -> None:
        """Accounts and allowances that do not exist are named, and nothing is taken."""
        tree.open()
        with pytest.raises(UnknownName, match=r"^unknown account 'nowhere';"):
            asyncio.run(tree.reserve("nowhere", 1))
        with pytest.raises(UnknownName, match=r"^unknown open allowance 'nothing';"):
            asyncio.run(tree.reserve(tree.a, 1, replaces="nothing"))
        with pytest.raises(UnknownName, match=r"^unknown account 'nowhere';"):
            tree.ledger.balance("nowhere")
        with pytest.raises(UnknownName, match=r"^unknown account 'nowhere';"):
            tree.ledger.open_account(AccountRow("c", "nowhere"))
        assert set(tree.balances().values()) == {Balance()}

    def test_a_call_is_no_allowance(self, tree: AccountTree) -> None:
        """What is not held as an allowance cannot be replaced."""
        tree.open()

        async def replace() -> None:
            name = await tree.reserve(tree.a, 1)
            with pytest.raises(UnknownName, match=rf"^unknown open allowance '{name}';"):
                await tree.reserve(tree.a, 1, replaces=name)

        asyncio.run(replace())
        assert tree.ledger.balance(tree.a).reserved == amount_of(1)

    def test_a_call_that_waits_is_marked_when_it_leaves(self, tree: AccountTree) -> None:
        """The mark moves no sum, and says so where there is nothing to be sent under."""
        tree.open(token_limit(10))

        async def send() -> None:
            name = await tree.reserve(tree.a, 6, unsent=True)
            before = tree.balances()
            tree.ledger.mark_sent(name)
            assert tree.balances() == before
            tree.settle(name, charged=4)
            for gone in (name, "nothing"):
                with pytest.raises(UnknownName, match=gone):
                    tree.ledger.mark_sent(gone)

        asyncio.run(send())
        assert tree.ledger.balance(tree.a).charged == amount_of(4)

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

    @given(operations=OPERATIONS)
    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=_UNCHECKED,
    )
    def test_random_operations_agree_with_plain_sums(self, ledger: LedgerBackend, operations: Operations) -> None:
        """After any sequence of operations, every balance is the sum over the reservations."""
        asyncio.run(play(AccountTree(ledger, uuid.uuid4().hex), operations))
