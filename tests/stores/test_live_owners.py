from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import subprocess
import sys
import textwrap
import time
from contextlib import closing
from pathlib import Path

import pytest

from apportion.records import AccountRow, Amount, Balance, Limit, Reservation, Short
from apportion.stores import Store, open_store
from apportion.stores.live_owners import GRACE_SECONDS

_CALLER = textwrap.dedent(
    """
    import asyncio, sys
    from apportion.records import AccountRow, Amount, Limit, Reservation, Settlement, Short
    from apportion.stores import open_store

    async def call(store, number):
        for count in range(10_000):
            name = f"{sys.argv[2]}-{number}-{count}"
            try:
                await store.reserve(Reservation(name, "task", Amount(10), store.owner))
            except Short:
                return
            print("reserved", name, flush=True)
            await asyncio.sleep(0)
            store.settle(Settlement(name, charged=Amount(7)))
            if count % 4 == 0:
                store.flush()
                print("settled", name, flush=True)

    async def main():
        with open_store(sys.argv[1], durable=True) as store:
            store.open_account(AccountRow("study", None, Limit("tokens", int(sys.argv[3])), "paid"))
            store.open_account(AccountRow("task", "study"))
            await asyncio.gather(*(call(store, number) for number in range(4)))

    asyncio.run(main())
    """
)


def start(path: Path, name: str, limit: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", _CALLER, str(path), name, str(limit)], stdout=subprocess.PIPE, text=True
    )


def reservations(path: Path) -> dict[str, tuple[str, int]]:
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT reservation_id, state, charged_tokens + lost_tokens FROM reservation")
        return {name: (state, spent) for name, state, spent in rows}


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_process_loses_what_was_in_flight_and_nothing_else(path: Path, seed: int) -> None:
    told: list[list[str]] = []
    with start(path, "a", 10**9) as process:
        assert process.stdout is not None
        while len(told) < 40:
            told.append(process.stdout.readline().split())
        time.sleep(random.Random(seed).uniform(0, 0.03))
        process.kill()
        told += [line.split() for line in process.stdout.read().splitlines()[:-1]]
    with open_store(path) as store:
        balance = store.balance("study")
        found = reservations(path)
        for word, name in told:
            assert found[name] in ([("settled", 7)] if word == "settled" else [("settled", 7), ("lost", 10)])
        assert {state for state, _ in found.values()} <= {"settled", "lost"}
        assert balance.reserved == Amount()
        assert balance.in_flight == 0
        assert (balance.charged + balance.lost).tokens == sum(spent for _, spent in found.values())
        assert balance.paid == balance.charged + balance.lost


def test_an_allowance_of_a_killed_process_is_given_back(path: Path) -> None:
    holder = textwrap.dedent(
        """
        import asyncio, os, sys
        from apportion.records import AccountRow, Amount, Limit, Reservation
        from apportion.stores import open_store

        store = open_store(sys.argv[1])
        store.open_account(AccountRow("study", None, Limit("tokens", 100)))
        asyncio.run(store.reserve(Reservation("held", "study", Amount(60), store.owner, "allowance")))
        os.kill(os.getpid(), 9)
        """
    )
    subprocess.run([sys.executable, "-c", holder, str(path)], check=False)
    with open_store(path) as store:
        assert store.balance("study") == Balance()
    assert reservations(path) == {"held": ("settled", 0)}


def test_of_a_killed_process_only_what_was_sent_is_lost(path: Path) -> None:
    holder = textwrap.dedent(
        """
        import asyncio, os, sys
        from apportion.records import AccountRow, Amount, Limit, Reservation
        from apportion.stores import open_store

        async def main(store):
            for name, unsent in (("at once", False), ("left", True), ("waits", True)):
                await store.reserve(Reservation(name, "study", Amount(20), store.owner, unsent=unsent))
            store.mark_sent("left")

        store = open_store(sys.argv[1])
        store.open_account(AccountRow("study", None, Limit("tokens", 100)))
        asyncio.run(main(store))
        os.kill(os.getpid(), 9)
        """
    )
    subprocess.run([sys.executable, "-c", holder, str(path)], check=False)
    with open_store(path) as store:
        assert store.balance("study") == Balance(lost=Amount(40), paid=Amount(40))
    assert reservations(path) == {"at once": ("lost", 20), "left": ("lost", 20), "waits": ("settled", 0)}


def test_what_waits_when_a_store_is_closed_is_given_back(path: Path) -> None:
    async def reserve(store: Store) -> None:
        await store.reserve(Reservation("left", "study", Amount(20), store.owner, unsent=True))
        store.mark_sent("left")
        await store.reserve(Reservation("waits", "study", Amount(30), store.owner, unsent=True))

    with open_store(path) as store:
        store.open_account(AccountRow("study", None, Limit("tokens", 100)))
        asyncio.run(reserve(store))
    with open_store(path) as store:
        assert store.balance("study") == Balance(lost=Amount(20), paid=Amount(20))


def test_of_an_owner_that_is_only_silent_every_call_counts_as_sent(store: Store, path: Path) -> None:
    asyncio.run(store.reserve(Reservation("r", "task", Amount(600), store.owner, unsent=True)))
    _move(path, store.owner, host="elsewhere", heartbeat_at=0.0)
    with open_store(path) as second:
        assert second.balance("study").lost == Amount(600)
    # It has been charged for, so it may go on.
    store.mark_sent("r")


def test_two_processes_share_a_cap(path: Path) -> None:
    limit = 7 * 60 + 5
    processes = [start(path, name, limit) for name in "ab"]
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    with open_store(path, read_only=True) as store:
        paid = store.balance("study").paid.tokens
    # Each ends when ten more would not fit beside what the others hold.
    assert limit - 8 * 10 < paid <= limit
    assert paid == sum(spent for _, spent in reservations(path).values())


def _hold(store: Store, name: str, tokens: int) -> None:
    asyncio.run(store.reserve(Reservation(name, "task", Amount(tokens), store.owner)))


def _move(path: Path, owner: str, **changes: object) -> None:
    """Writes in another hand what another machine would have written."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for column, value in changes.items():
            connection.execute(f"UPDATE owner SET {column} = ? WHERE owner_id = ?", (value, owner))


def test_an_owner_elsewhere_is_dead_when_its_heartbeat_stops(store: Store, path: Path) -> None:
    _hold(store, "r", 600)
    _move(path, store.owner, host="elsewhere", heartbeat_at=time.time() - GRACE_SECONDS / 2)
    with open_store(path) as second:
        assert second.balance("study").reserved == Amount(600)
        _move(path, store.owner, heartbeat_at=time.time() - 2 * GRACE_SECONDS)
        # Not fitting makes it look whether those who hold the room still live.
        with pytest.raises(Short) as caught:
            _hold(second, "s", 500)
        assert caught.value.releasable == 600
        assert second.balance("study") == Balance(lost=Amount(600), paid=Amount(600))
        with pytest.raises(Short) as caught:
            _hold(second, "s", 500)
        assert caught.value.releasable == 0


def test_an_owner_here_is_dead_when_its_process_is(store: Store, path: Path) -> None:
    _hold(store, "r", 600)
    _move(path, store.owner, process_started="1")
    with open_store(path) as second:
        assert second.balance("study").lost == Amount(600)


def test_an_owner_here_lives_without_a_heartbeat(store: Store, path: Path) -> None:
    _hold(store, "r", 600)
    _move(path, store.owner, heartbeat_at=0.0)
    with open_store(path) as second:
        assert second.balance("study").reserved == Amount(600)
        assert store.owner != second.owner
        assert store.owner.startswith(str(os.getpid()))


def test_a_settlement_after_being_declared_dead_changes_nothing(store: Store, path: Path) -> None:
    from apportion.records import Settlement

    _hold(store, "r", 600)
    _move(path, store.owner, process_started="1")
    with open_store(path):
        pass
    store.settle(Settlement("r", charged=Amount(5)))
    assert store.balance("study") == Balance(lost=Amount(600), paid=Amount(600))


def test_a_cached_reservation_of_the_dead_costs_the_study_nothing(store: Store, path: Path) -> None:
    store.open_account(AccountRow("small", "study", Limit("tokens", 50)))
    asyncio.run(store.reserve(Reservation("r", "small", Amount(50), store.owner, cached=True)))
    _move(path, store.owner, process_started="1")
    with open_store(path) as second:
        assert second.balance("study").paid == Amount()
        assert second.balance("small").lost == Amount(50)


def test_an_owner_that_was_held_for_dead_and_went_on_is_looked_after_again(store: Store, path: Path) -> None:
    _hold(store, "r", 600)
    late = time.time() - 2 * GRACE_SECONDS
    _move(path, store.owner, host="elsewhere", heartbeat_at=late)
    with open_store(path) as second:
        assert second.balance("study").lost == Amount(600)
        _hold(store, "s", 300)
        _move(path, store.owner, heartbeat_at=late)
        with pytest.raises(Short):
            _hold(second, "t", 200)
        assert second.balance("study") == Balance(lost=Amount(900), paid=Amount(900))
