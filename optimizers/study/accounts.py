"""What a study may pay: its account, and one below it for each of its phases."""

from __future__ import annotations

from ...budgets.cap import in_unit, smallest
from ...errors import SpendExhausted
from ...graphs.run import Runner
from ...records.rows import AccountRow, Limit
from .spec import StudySpec

__all__ = ["StudyAccounts"]

_SHARES = {
    "search": 0.25,  # so that policies can be learned, and the rest can be paid
    "edges": 0.1,
    "validation": 1.0,
    "policies": 1.0,
    "test": 1.0,
    "gates": 0.2,
    "headroom": 0.1,
}
"""By phase: the part of the spend that it may pay at most."""


class StudyAccounts:
    """The accounts of a study on its store's books; amounts are in the unit of its cap.

    Args:
        spec: of the study.
    """

    def __init__(self, spec: StudySpec) -> None:
        self.whole = f"study/{spec.study_id}"
        """The account of the study, whose limit is the spend."""
        self._spec = spec
        self._unit = spec.cap.unit

    def open(self, runner: Runner) -> None:
        """Opens all of them, or finds them again."""
        limit = Limit(self._unit, smallest(self._spec.spend, self._unit))
        runner.open_account(AccountRow(self.whole, None, limit, "paid", f"study {self._spec.study_id}"))
        for phase in _SHARES:
            most = Limit(self._unit, smallest(self.most(phase), self._unit))
            runner.open_account(AccountRow(self.of(phase), self.whole, most, "paid", phase))

    def of(self, phase: str) -> str:
        """The account of a phase."""
        return f"{self.whole}/{phase}"

    def most(self, phase: str) -> float:
        """What a phase may pay at most."""
        return _SHARES[phase] * self._spec.spend

    @property
    def paid(self) -> float:
        """What the study has paid so far, over all its starts."""
        return self._paid(self.whole)

    @property
    def lost(self) -> float:
        """What it has lost so far."""
        return in_unit(self._spec.store.balance(self.whole).lost, self._unit)

    def left(self, *phases: str) -> float:
        """What the spend leaves after some phases.

        What later phases have paid does not count, so that a study which is started again divides its spend alike.
        """
        return self._spec.spend - sum(self._paid(self.of(phase)) for phase in phases)

    def exhausted(self) -> SpendExhausted:
        """The error of a study that can pay for nothing more."""
        return SpendExhausted(self.whole, f"{self.paid:,g}", f"{self.lost:,g} {self._unit}")

    def _paid(self, account: str) -> float:
        return in_unit(self._spec.store.balance(account).paid, self._unit)
