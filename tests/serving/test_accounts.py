from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from apportion.budgets.books import MemoryStore
from apportion.budgets.cap import Cap
from apportion.budgets.ledger import Ledger
from apportion.errors import CapReached, UsageError
from apportion.records.rows import Settlement
from apportion.records.usage import Amount
from apportion.serving.accounts import Accounts
from apportion.serving.door import let_in
from apportion.serving.keys import ANYBODY, Key
from apportion.stores.opening import open_store
from apportion.web.refusal import Refusal

NOON = 1_700_000_000.0 - 1_700_000_000 % 86_400 + 43_200


class Clock:
    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> float:
        return self.time


def accounts(ledger: Ledger, clock: Clock, total: float = 100, **cap: object) -> Accounts:
    return Accounts(ledger, Cap.model_validate({"total": total, **cap}), "day", clock)


def spend(ledger: Ledger, account: str, tokens: int) -> None:
    async def story() -> None:
        amount = Amount(tokens=tokens, usd=tokens)
        ledger.settle(Settlement(await ledger.reserve(account, amount), charged=amount))

    asyncio.run(story())


def test_the_caps_of_a_key_and_of_all_hold_until_the_period_ends() -> None:
    ledger, clock = Ledger(MemoryStore(), "test"), Clock()
    of, ann, bob = accounts(ledger, clock).of, Key(name="ann", cap=60), Key(name="bob")
    spend(ledger, of(ann), 60)
    with pytest.raises(CapReached):
        spend(ledger, of(ann), 1)
    spend(ledger, of(bob), 40)
    with pytest.raises(CapReached):
        spend(ledger, of(bob), 1)
    clock.time += 43_200
    spend(ledger, of(ann), 60)


def test_another_process_on_the_same_books_holds_the_same_cap(tmp_path: Path) -> None:
    clock = Clock()
    with open_store(tmp_path / "a.db") as first, open_store(tmp_path / "a.db") as second:
        ledgers = [Ledger(store, store.owner) for store in (first, second)]
        one, other = (accounts(ledger, clock).of(ANYBODY) for ledger in ledgers)
        assert one == other
        spend(ledgers[0], one, 70)
        with pytest.raises(CapReached):
            spend(ledgers[1], other, 31)
    with open_store(tmp_path / "a.db") as again:
        ledger = Ledger(again, again.owner)
        with pytest.raises(UsageError, match="can only be raised"):
            accounts(ledger, clock, 99)
        with pytest.raises(UsageError, match="limit of 100 tokens"):
            accounts(ledger, clock, unit="usd")
        spend(ledger, accounts(ledger, clock, 101).of(ANYBODY), 31)


def test_a_stored_reply_is_free() -> None:
    ledger, clock = Ledger(MemoryStore(), "test"), Clock()
    account = accounts(ledger, clock).of(ANYBODY)

    async def story() -> None:
        for _ in range(3):
            amount = Amount(tokens=100)
            ledger.settle(Settlement(await ledger.reserve(account, amount, cached=True), charged=amount))

    asyncio.run(story())
    spend(ledger, account, 100)


def test_tokens_of_a_minute() -> None:
    ledger, clock = Ledger(MemoryStore(), "test"), Clock()
    key = Key(name="ann", tokens_per_minute=10)
    opened = accounts(ledger, clock)
    spend(ledger, opened.of(key), 8)
    clock.time += 15
    with pytest.raises(CapReached) as reached:
        spend(ledger, opened.of(key), 3)
    refusal = opened.refusal(reached.value)
    assert (refusal.status, refusal.retry_after, refusal.kind) == (429, 45, "tokens")
    assert "may take 10 tokens, 2 are left" in refusal.message
    with pytest.raises(CapReached) as reached:
        spend(ledger, opened.of(key), 11)
    refusal = opened.refusal(reached.value)  # whoever waits for a minute that has room waits for ever
    assert (refusal.status, refusal.retry_after, refusal.final) == (429, None, True)
    assert "up to 11, in any minute" in refusal.message
    clock.time += 45
    spend(ledger, opened.of(key), 10)


def test_requests_of_a_minute() -> None:
    ledger, clock = Ledger(MemoryStore(), "test"), Clock()
    key, opened = Key(name="ann", requests_per_minute=2), accounts(ledger, clock)

    async def ask(times: int) -> None:
        for _ in range(times):
            await opened.admit(key)

    asyncio.run(ask(2))
    with pytest.raises(Refusal) as refused:
        asyncio.run(ask(1))
    assert (refused.value.status, refused.value.retry_after) == (429, 60)
    clock.time += 60
    asyncio.run(ask(2))


def test_what_a_client_is_told() -> None:
    ledger, clock = Ledger(MemoryStore(), "test"), Clock()
    opened = accounts(ledger, clock, 5e-8, unit="usd")
    with pytest.raises(CapReached) as reached:
        spend(ledger, opened.of(Key(name="ann")), 51)
    refusal = opened.refusal(reached.value)
    assert (refusal.status, refusal.code, refusal.final) == (402, "cap_reached", True)
    assert "all calls together is 5e-08 usd" in refusal.message
    assert "begins anew at 2023-11-15 00:00 UTC" in refusal.message


def test_a_cap_of_a_key_that_does_not_fit_the_books_is_found_at_the_start() -> None:
    ledger, clock = Ledger(MemoryStore(), "test"), Clock()
    cap = Cap(total=100)
    Accounts(ledger, cap, "day", clock, keys=[Key(name="ann", cap=60)])
    with pytest.raises(UsageError, match="can only be raised"):
        Accounts(ledger, cap, "day", clock, keys=[Key(name="ann", cap=50)])
    late = Accounts(ledger, cap, "day", clock)
    with pytest.raises(Refusal) as refused:
        asyncio.run(let_in(late, Key(name="ann", cap=50)))
    assert (refused.value.status, refused.value.code) == (503, "books_unavailable")


def test_a_cap_for_each_call_is_none_of_a_server() -> None:
    with pytest.raises(UsageError, match="without per_task"):
        Accounts(Ledger(MemoryStore(), "test"), Cap(per_task=5), "none")
