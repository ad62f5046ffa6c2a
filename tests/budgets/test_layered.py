from __future__ import annotations

import asyncio

import pytest

from apportion.budgets.books import MemoryStore
from apportion.budgets.layered import LayeredLedger
from apportion.errors import UnknownName, UsageError
from apportion.records import AccountRow, Amount, Limit, Reservation, Settlement, Short


def layered(*, study: int = 1000, batch: int = 100, task: int = 60) -> tuple[LayeredLedger, MemoryStore]:
    books = MemoryStore()
    ledger = LayeredLedger(books)
    ledger.open_shared(AccountRow("study", None, Limit("tokens", study), "paid"))
    ledger.open_shared(AccountRow("batch", "study", Limit("tokens", batch)))
    for name in ("a", "b"):
        ledger.open_account(AccountRow(name, "batch", Limit("tokens", task)))
    return ledger, books


def reservation(name: str, account: str, tokens: int, **more: object) -> Reservation:
    fields = {"kind": "call", "cached": False, "replaces": None, **more}
    return Reservation(name, account, Amount(tokens=tokens), "test", **fields)  # type: ignore[arg-type]


def test_takes_from_memory_and_from_the_shared_books() -> None:
    ledger, books = layered()
    asyncio.run(ledger.reserve(reservation("r", "a", 40)))
    assert ledger.balance("a").reserved == books.balance("batch").reserved == books.balance("study").reserved
    ledger.settle(Settlement("r", charged=Amount(tokens=30), lost=Amount(tokens=5)))
    assert ledger.balance("a").charged == books.balance("batch").charged == Amount(tokens=30)
    assert books.balance("study").paid == Amount(tokens=35)


def test_takes_from_none_where_the_shared_books_are_short() -> None:
    ledger, books = layered(batch=50)
    asyncio.run(ledger.reserve(reservation("r", "a", 40)))
    with pytest.raises(Short) as short:
        asyncio.run(ledger.reserve(reservation("s", "b", 20)))
    assert short.value.account_id == "batch"
    assert ledger.balance("b").reserved == Amount()
    assert books.balance("batch").reserved == Amount(tokens=40)


def test_takes_from_none_where_memory_is_short() -> None:
    ledger, books = layered()
    with pytest.raises(Short) as short:
        asyncio.run(ledger.reserve(reservation("r", "a", 61)))
    assert short.value.account_id == "a"
    assert books.balance("study").reserved == Amount()


def test_a_cached_reply_counts_in_the_batch_but_is_not_paid() -> None:
    ledger, books = layered()
    asyncio.run(ledger.reserve(reservation("r", "a", 40, cached=True)))
    ledger.settle(Settlement("r", charged=Amount(tokens=30)))
    assert books.balance("batch").charged == Amount(tokens=30)
    assert books.balance("study").paid == Amount()


def test_a_cached_reply_does_not_touch_books_that_limit_only_what_is_paid() -> None:
    books = MemoryStore()
    ledger = LayeredLedger(books)
    ledger.open_shared(AccountRow("study", None, Limit("tokens", 10), "paid"))
    ledger.open_account(AccountRow("a", "study"))
    asyncio.run(ledger.reserve(reservation("r", "a", 40, cached=True)))
    ledger.settle(Settlement("r", charged=Amount(tokens=30)))
    assert ledger.balance("a").charged == Amount(tokens=30)
    assert books.balance("study").charged == Amount()


@pytest.mark.parametrize("cached", [False, True])
def test_an_allowance_is_replaced_on_both_layers(cached: bool) -> None:
    ledger, books = layered(batch=60)
    asyncio.run(ledger.reserve(reservation("held", "a", 50, kind="allowance")))
    asyncio.run(ledger.reserve(reservation("r", "a", 55, cached=cached, replaces="held")))
    assert books.balance("batch").reserved == ledger.balance("a").reserved == Amount(tokens=55)
    assert books.balance("study").reserved == (Amount() if cached else Amount(tokens=55))
    ledger.settle(Settlement("held"))
    assert ledger.balance("a").reserved == Amount(tokens=55)


def test_an_allowance_that_a_cached_reply_replaces_is_given_back_where_only_what_is_paid_counts() -> None:
    books = MemoryStore()
    ledger = LayeredLedger(books)
    ledger.open_shared(AccountRow("study", None, Limit("tokens", 100), "paid"))
    ledger.open_account(AccountRow("a", "study"))
    asyncio.run(ledger.reserve(reservation("held", "a", 50, kind="allowance")))
    assert books.balance("study").reserved == Amount(tokens=50)
    asyncio.run(ledger.reserve(reservation("r", "a", 55, cached=True, replaces="held")))
    assert ledger.balance("a").reserved == Amount(tokens=55)
    assert books.balance("study").reserved == Amount()


def test_an_allowance_stays_where_its_replacement_does_not_fit() -> None:
    ledger, books = layered(batch=60)
    asyncio.run(ledger.reserve(reservation("held", "a", 50, kind="allowance")))
    with pytest.raises(Short):
        asyncio.run(ledger.reserve(reservation("r", "a", 61, replaces="held")))
    assert books.balance("batch").reserved == ledger.balance("a").reserved == Amount(tokens=50)


def test_the_second_settlement_changes_nothing() -> None:
    ledger, books = layered()
    asyncio.run(ledger.reserve(reservation("r", "a", 40)))
    for _ in range(2):
        ledger.settle(Settlement("r", charged=Amount(tokens=30)))
    assert books.balance("study").paid == ledger.balance("a").charged == Amount(tokens=30)


def test_an_account_needs_a_parent_that_is_known() -> None:
    with pytest.raises(UnknownName):
        LayeredLedger(MemoryStore()).open_account(AccountRow("a", "nowhere"))


def test_a_closed_account_is_forgotten() -> None:
    ledger, _ = layered()
    ledger.close_account("a")
    with pytest.raises(UnknownName):
        ledger.balance("a")


def test_an_account_in_memory_keeps_its_place_and_its_terms() -> None:
    ledger, books = layered()
    books.open_account(AccountRow("other"))
    ledger.open_shared(AccountRow("other"))
    for changed, said in (
        (AccountRow("a", "other", Limit("tokens", 60)), "parent 'batch', not 'other'"),
        (AccountRow("a", "batch", Limit("tokens", 59)), "a limit of 60 tokens; it can only be raised, not set to 59"),
    ):
        with pytest.raises(UsageError, match=f"^account 'a' exists with {said}$"):
            ledger.open_account(changed)
    asyncio.run(ledger.reserve(reservation("r", "a", 40)))
    assert books.balance("batch").reserved == Amount(tokens=40)
    with pytest.raises(UnknownName, match=r"^unknown account 'nowhere';"):
        ledger.open_account(AccountRow("c", "nowhere"))
