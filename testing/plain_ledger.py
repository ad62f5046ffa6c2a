"""The books of a ledger as plain sums over a list, to hold backends against."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from hypothesis import strategies as st

from ..records.protocols import LedgerBackend, Short
from ..records.rows import AccountRow, Balance, Limit, Reservation, ReservationKind, Settlement
from ..records.usage import Amount

__all__ = ["OPERATIONS", "AccountTree", "Operations", "amount_of", "play", "token_limit"]

_OWNER = "conformance"


def amount_of(tokens: int) -> Amount:
    """The same quantity in three units that cannot be mistaken for one another."""
    return Amount(tokens, 3 * tokens, 7 * tokens)


class AccountTree:
    """Four accounts: a study, which measures paid, a batch below it, and tasks `a` and `b` below that.

    Args:
        ledger: whose accounts these are.
        prefix: of their ids, where one ledger has several trees.
    """

    def __init__(self, ledger: LedgerBackend, prefix: str = "") -> None:
        self.ledger = ledger
        self.study, self.batch = f"{prefix}study", f"{prefix}batch"
        self.a, self.b = f"{prefix}a", f"{prefix}b"
        self._ids = itertools.count()
        self._prefix = prefix

    def open(
        self, study: Limit | None = None, batch: Limit | None = None, a: Limit | None = None, b: Limit | None = None
    ) -> AccountTree:
        """Opens all four under these limits."""
        self.ledger.open_account(AccountRow(self.study, None, study, "paid"))
        self.ledger.open_account(AccountRow(self.batch, self.study, batch))
        self.ledger.open_account(AccountRow(self.a, self.batch, a))
        self.ledger.open_account(AccountRow(self.b, self.batch, b))
        return self

    async def reserve(
        self,
        account_id: str,
        tokens: int,
        kind: ReservationKind = "call",
        *,
        cached: bool = False,
        replaces: str | None = None,
        unsent: bool = False,
    ) -> str:
        """Reserves `amount_of(tokens)` and returns the reservation's id."""
        name = f"{self._prefix}r{next(self._ids)}"
        reservation = Reservation(name, account_id, amount_of(tokens), _OWNER, kind, cached, replaces, unsent)
        await self.ledger.reserve(reservation)
        return name

    def settle(self, name: str, charged: int = 0, lost: int = 0) -> None:
        """Settles with `amount_of` both."""
        self.ledger.settle(Settlement(name, amount_of(charged), amount_of(lost)))

    def balances(self) -> dict[str, Balance]:
        """Where all four stand."""
        return {name: self.ledger.balance(name) for name in (self.study, self.batch, self.a, self.b)}


def token_limit(limit: int) -> Limit:
    """A limit in raw tokens."""
    return Limit("tokens", limit)


_LIMITS = {"study": 60, "batch": 80, "a": 40}
_ABOVE = {
    "study": ("study",),
    "batch": ("batch", "study"),
    "a": ("a", "batch", "study"),
    "b": ("b", "batch", "study"),
}


@dataclass
class _Entry:
    """A reservation of the plain model that random operations are held against."""

    name: str
    account: str
    tokens: int
    kind: ReservationKind
    cached: bool
    open: bool = True
    charged: int = 0
    lost: int = 0


class _Model:
    """The books as sums over a list."""

    def __init__(self) -> None:
        self.entries: list[_Entry] = []

    def used(self, account: str) -> int:
        total = 0
        for entry in self.below(account):
            if account == "study" and entry.cached:
                continue
            total += entry.tokens if entry.open else entry.charged + entry.lost
        return total

    def below(self, account: str) -> list[_Entry]:
        return [entry for entry in self.entries if account in _ABOVE[entry.account]]

    def fits(self, account: str, tokens: int, cached: bool) -> bool:
        return all(
            self.used(name) + tokens <= _LIMITS[name]
            for name in _ABOVE[account]
            if name in _LIMITS and not (name == "study" and cached)
        )

    def balance(self, account: str) -> Balance:
        below = self.below(account)
        held = [entry for entry in below if entry.open and not (account == "study" and entry.cached)]
        return Balance(
            charged=amount_of(sum(entry.charged for entry in below)),
            lost=amount_of(sum(entry.lost for entry in below)),
            paid=amount_of(sum(entry.charged + entry.lost for entry in below if not entry.cached)),
            reserved=amount_of(sum(entry.tokens for entry in held)),
            in_flight=sum(entry.kind == "call" for entry in held),
        )


Operations = list[tuple[str, str | int, int, str | int, bool | None]]
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(
            st.just("reserve"),
            st.sampled_from(["study", "batch", "a", "b"]),
            st.integers(0, 30),
            st.sampled_from(["call", "allowance"]),
            st.booleans(),
        ),
        st.tuples(st.just("replace"), st.integers(0, 20), st.integers(0, 30), st.booleans(), st.none()),
        st.tuples(st.just("settle"), st.integers(0, 20), st.integers(0, 35), st.integers(0, 5), st.booleans()),
    ),
    max_size=25,
)


async def play(tree: AccountTree, operations: Operations) -> None:
    """Applies operations to a ledger and to plain sums, and compares all balances after each."""
    tree.open(token_limit(_LIMITS["study"]), token_limit(_LIMITS["batch"]), token_limit(_LIMITS["a"]))
    model = _Model()
    names = {"study": tree.study, "batch": tree.batch, "a": tree.a, "b": tree.b}
    for what, which, first, second, flag in operations:
        if what == "reserve":
            kind: ReservationKind = "call" if second == "call" else "allowance"
            await _reserve(tree, model, names, _Entry("", str(which), first, kind, bool(flag)), None)
        elif what == "replace":
            held = [entry for entry in model.entries if entry.open and entry.kind == "allowance"]
            if held:
                old = held[int(which) % len(held)]
                await _reserve(tree, model, names, _Entry("", old.account, first, "call", bool(second)), old)
        elif model.entries:
            entry = model.entries[int(which) % len(model.entries)]
            tree.settle(entry.name, charged=first, lost=0 if entry.cached else int(second))
            if entry.open:
                entry.open, entry.charged, entry.lost = False, first, 0 if entry.cached else int(second)
        for name, ledger_name in names.items():
            assert tree.ledger.balance(ledger_name) == model.balance(name), (what, name)


async def _reserve(tree: AccountTree, model: _Model, names: dict[str, str], entry: _Entry, old: _Entry | None) -> None:
    if old is not None:
        old.open = False
    fits = model.fits(entry.account, entry.tokens, entry.cached)
    try:
        entry.name = await tree.reserve(
            names[entry.account],
            entry.tokens,
            entry.kind,
            cached=entry.cached,
            replaces=None if old is None else old.name,
        )
    except Short:
        assert not fits
        if old is not None:
            old.open = True
    else:
        assert fits
        model.entries.append(entry)
