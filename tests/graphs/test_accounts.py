from __future__ import annotations

from apportion.budgets.books import MemoryStore
from apportion.budgets.ledger import Ledger
from apportion.graphs.accounts import UNLIMITED, judge_account, left_on
from apportion.records.rows import AccountRow, Limit
from apportion.records.usage import Amount


def tree(*rows: AccountRow) -> dict[str, AccountRow]:
    return {row.account_id: row for row in rows}


STUDY = AccountRow("study", None, Limit("tokens", 100), "paid")
PHASE = AccountRow("study/test", "study", Limit("usd", 50), "paid")
BATCH = AccountRow("batch", "study/test", Limit("tokens", 40), "charged")
RUN = AccountRow("run", "batch", None, "charged")


def test_the_nearest_account_that_measures_what_is_paid_pays_for_a_verdict() -> None:
    accounts = tree(STUDY, PHASE, BATCH, RUN)
    for below in ("run", "batch", "study/test"):
        assert judge_account(below, accounts) == AccountRow("study/test/judge", "study/test", None, "paid", "judge")
    assert judge_account("study", accounts).account_id == "study/judge"


def test_without_one_the_topmost_does_so_that_its_cap_holds_for_verdicts_too() -> None:
    batch = AccountRow("batch", None, Limit("tokens", 40), "charged")
    accounts = tree(batch, AccountRow("run", "batch"))
    assert judge_account("run", accounts) == AccountRow("batch/judge", "batch", None, "charged", "judge")


def test_what_is_left_is_the_least_of_all_accounts_above() -> None:
    ledger, accounts = Ledger(MemoryStore(), "test"), tree(STUDY, PHASE, BATCH, RUN)
    for row in accounts.values():
        ledger.backend.open_account(row)
    assert left_on("run", accounts, ledger) == Amount(40, UNLIMITED, 50)
    assert left_on("study", accounts, ledger) == Amount(100, UNLIMITED, UNLIMITED)
    assert left_on("free", tree(AccountRow("free")), ledger) is None
