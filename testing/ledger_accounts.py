"""The part of `testing.ledger` on accounts: how they are opened, and opened again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from ..errors import UsageError
from ..records.protocols import LedgerBackend, Short
from ..records.rows import AccountRow, Balance, Limit
from .plain_ledger import AccountTree, token_limit

__all__ = ["AccountConformance"]


class AccountConformance:
    """The tests; subclass `LedgerConformance`, which has them too."""

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
