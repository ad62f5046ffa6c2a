from __future__ import annotations

from dataclasses import replace

import pytest

from apportion.errors import UsageError
from apportion.records.accounts import FIGURES, Account, check_same, end, move, reserve
from apportion.records.protocols import Short
from apportion.records.rows import AccountRow, Limit, Reservation, Unit
from apportion.records.usage import ZERO, Amount

WEIGHTED = AccountRow("a", limit=Limit("weighted", 20))


def reservation(tokens: int, **fields: object) -> Reservation:
    plain = Reservation("r", "a", Amount(tokens, 2 * tokens, 3 * tokens), "owner")
    return replace(plain, **fields)  # type: ignore[arg-type]


def test_a_limit_counts_in_its_own_unit_and_to_the_last_one() -> None:
    account = Account(WEIGHTED)
    reserve([account], reservation(10))
    with pytest.raises(Short) as short:
        reserve([account], reservation(1))
    assert (short.value.account_id, short.value.needed, short.value.free) == ("a", 2, 0)


def test_what_holds_the_room_is_told_apart() -> None:
    account = Account(WEIGHTED)
    reserve([account], reservation(3))
    reserve([account], reservation(5, kind="allowance"))
    short = account.short_of(reservation(6))
    assert short is not None
    assert (short.needed, short.free, short.releasable, short.held) == (12, 4, 6, 10)


def test_an_account_above_that_is_short_leaves_all_as_it_was() -> None:
    below, above = (
        Account(AccountRow("a", "b", Limit("tokens", 100))),
        Account(AccountRow("b", None, Limit("tokens", 5))),
    )
    held = reservation(4, kind="allowance")
    reserve([below, above], held)
    before = [list(account.figures) for account in (below, above)]
    with pytest.raises(Short) as short:
        reserve([below, above], reservation(6), ([below, above], held))
    assert short.value.account_id == "b"
    assert [account.figures for account in (below, above)] == before
    reserve([below, above], reservation(5), ([below, above], held))
    assert above.balance.reserved == Amount(5, 10, 15)


def test_a_reply_from_the_cache_costs_nothing_where_only_what_is_paid_counts() -> None:
    paid, charged = (Account(AccountRow(m, limit=Limit("tokens", 5), measure=m)) for m in ("paid", "charged"))
    cached = reservation(9, cached=True)
    reserve([paid], cached)
    with pytest.raises(Short):
        reserve([charged], cached)
    end([paid], cached, Amount(9, 9, 9), ZERO)
    assert (paid.balance.charged, paid.balance.paid, paid.balance.reserved) == (Amount(9, 9, 9), ZERO, ZERO)


def test_what_goes_in_comes_out() -> None:
    account = Account(WEIGHTED)
    for kind in ("call", "allowance"):
        move([account], reservation(7, kind=kind), +1)
        assert account.balance.in_flight == (kind == "call")
        move([account], reservation(7, kind=kind), -1)
    assert account.figures == [0] * len(FIGURES)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (replace(WEIGHTED, parent_id="b"), "parent None, not 'b'"),
        (replace(WEIGHTED, measure="paid"), "measure 'charged', not 'paid'"),
        (replace(WEIGHTED, limit=None), "a limit of 20 millionths of a weighted token, not no limit"),
        (replace(WEIGHTED, limit=Limit("usd", 20)), "weighted token, not a limit of 20 billionths of a dollar"),
        (replace(WEIGHTED, limit=Limit("weighted", 19)), "it can only be raised, not set to 19"),
    ],
)
def test_other_terms_are_refused_in_words(asked: AccountRow, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        check_same(WEIGHTED, asked)


@pytest.mark.parametrize(("value", "raised"), [(20, False), (21, True)])
def test_a_limit_may_stay_or_rise(value: int, raised: bool) -> None:
    unit: Unit = "weighted"
    assert check_same(WEIGHTED, replace(WEIGHTED, limit=Limit(unit, value))) is raised
