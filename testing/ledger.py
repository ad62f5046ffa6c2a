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
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from ..errors import UnknownName, UsageError
from ..records.protocols import LedgerBackend, Short
from ..records.rows import AccountRow, Balance, Limit, Unit
from ..records.usage import ZERO
from .ledger_waiting import WaitingConformance
from .plain_ledger import OPERATIONS, AccountTree, Operations, amount_of, play, token_limit

__all__ = ["LedgerConformance"]

_UNCHECKED = (
    HealthCheck.function_scoped_fixture,  # each example opens accounts of its own on the same books
    HealthCheck.differing_executors,  # the suite is subclassed: that is what it is for
    HealthCheck.too_slow,
)


class LedgerConformance(WaitingConformance):
    """The tests; see the text of this module."""

    def open_ledger(self, folder: Path) -> AbstractContextManager[LedgerBackend]:
        """Opens empty books, in `folder` where they need a place, and closes them on leaving."""
        raise NotImplementedError

    @pytest.fixture
    def ledger(self, tmp_path: Path) -> Iterator[LedgerBackend]:
        """Empty books."""
        with self.open_ledger(tmp_path) as ledger:
            yield ledger

    @pytest.fixture
    def tree(self, ledger: LedgerBackend) -> AccountTree:
        """Names of a study, a batch and two tasks, not opened yet."""
        return AccountTree(ledger)

    def test_new_accounts_are_empty(self, tree: AccountTree) -> None:
        """An account that was just opened has a balance of nothing."""
        tree.open(token_limit(100))
        assert set(tree.balances().values()) == {Balance()}

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

    def test_opening_again_keeps_the_balance(self, tree: AccountTree) -> None:
        """The same account, opened twice, is one."""
        tree.open(token_limit(10), token_limit(10))
        tree.settle(asyncio.run(tree.reserve(tree.a, 6)), charged=4)
        before = tree.balances()
        tree.open(token_limit(10), token_limit(10))
        assert tree.balances() == before

    def test_a_limit_can_be_raised(self, tree: AccountTree) -> None:
        """The new limit holds from then on."""
        tree.open(token_limit(10))
        asyncio.run(tree.reserve(tree.a, 10))
        tree.open(token_limit(15))
        asyncio.run(tree.reserve(tree.a, 5))
        with pytest.raises(Short):
            asyncio.run(tree.reserve(tree.a, 1))

    @pytest.mark.parametrize(
        ("changed", "said"),
        [
            (AccountRow("batch", "study", token_limit(9)), "a limit of 10 tokens; it can only be raised, not set to 9"),
            (
                AccountRow("batch", "study", Limit("usd", 10)),
                "a limit of 10 tokens, not a limit of 10 billionths of a dollar",
            ),
            (AccountRow("batch", "study", None), "a limit of 10 tokens, not no limit"),
            (AccountRow("batch", "study", token_limit(10), "paid"), "measure 'charged', not 'paid'"),
            (AccountRow("batch", None, token_limit(10)), "parent 'study', not None"),
            (AccountRow("a", "batch", token_limit(10)), "no limit, not a limit of 10 tokens"),
        ],
        ids=["lower limit", "other unit", "no limit", "other measure", "other parent", "new limit"],
    )
    def test_other_terms_are_refused(self, tree: AccountTree, changed: AccountRow, said: str) -> None:
        """An account that exists cannot be opened on other terms, and keeps its own; every ledger says so alike."""
        tree.open(None, token_limit(10))
        with pytest.raises(UsageError) as caught:
            tree.ledger.open_account(changed)
        assert str(caught.value) == f"account {changed.account_id!r} exists with {said}"
        asyncio.run(tree.reserve(tree.a, 10))
        with pytest.raises(Short):
            asyncio.run(tree.reserve(tree.a, 1))

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

    @given(operations=OPERATIONS)
    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=_UNCHECKED,
    )
    def test_random_operations_agree_with_plain_sums(self, ledger: LedgerBackend, operations: Operations) -> None:
        """After any sequence of operations, every balance is the sum over the reservations."""
        asyncio.run(play(AccountTree(ledger, uuid.uuid4().hex), operations))
