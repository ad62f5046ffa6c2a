"""The accounts above a run: what is left on them, and which of them pays for its verdict."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping

from ..budgets.cap import pick
from ..budgets.ledger import Ledger
from ..records.rows import UNITS, AccountRow, Unit
from ..records.usage import Amount

__all__ = ["UNLIMITED", "judge_account", "left_on"]

UNLIMITED = sys.maxsize
"""What is left in a unit that no account limits."""


def left_on(account_id: str, accounts: Mapping[str, AccountRow], ledger: Ledger) -> Amount | None:
    """The least that is left in each unit on an account and its ancestors; None where none of them has a limit."""
    least: dict[Unit, int] = {}
    for account in _upward(account_id, accounts):
        limit = account.limit
        if limit is not None:
            balance = ledger.balance(account.account_id)
            used = balance.paid if account.measure == "paid" else balance.charged + balance.lost
            free = limit.value - pick(used, limit.unit) - pick(balance.reserved, limit.unit)
            least[limit.unit] = min(free, least.get(limit.unit, free))
    return Amount(*(least.get(unit, UNLIMITED) for unit in UNITS)) if least else None


def judge_account(parent_id: str, accounts: Mapping[str, AccountRow]) -> AccountRow:
    """The account of the verdicts on runs below another: under the nearest above that measures what is paid.

    So a verdict counts against what a search may pay, and not against the cap of a batch, which limits what answers
    cost. Where no account above measures that, as in a batch of one's own, it lies under the topmost.
    """
    above = list(_upward(parent_id, accounts))
    payer = next((account for account in above if account.measure == "paid"), above[-1])
    return AccountRow(f"{payer.account_id}/judge", payer.account_id, None, payer.measure, "judge")


def _upward(account_id: str, accounts: Mapping[str, AccountRow]) -> Iterator[AccountRow]:
    account: AccountRow | None = accounts[account_id]
    while account is not None:
        yield account
        account = None if account.parent_id is None else accounts[account.parent_id]
