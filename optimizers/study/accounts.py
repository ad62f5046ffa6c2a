"""What a study may pay: its account, and one below it for each of its phases."""

from __future__ import annotations

from dataclasses import replace

from ...budgets.cap import in_unit, smallest
from ...errors import SpendExhausted
from ...graphs.accounts import judge_account
from ...graphs.run import Runner
from ...records.rows import AccountRow, Limit
from ...tasks.judge import Judge
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
    "controls": 0.1,
}
"""By phase: the part of the spend that it may pay at most."""
_RUNS_AT_ONCE = 128
"""How many runs keep a pool busy."""
_FEWEST_AT_ONCE = 8
_UNJUDGED_SHARE = 0.1
"""The part of what a search may pay for plans that answers may take which wait for their verdicts."""
_PAID_BEFORE = 0.5
"""Of what plans cost: where they paid less, the cache has spared them the rest."""
_LEAST_SHARE = 0.001
"""Of plans in what is paid, also where they make no calls."""
_OF_JUDGES = "controls"
"""The phase that only studies with a judge have."""


class StudyAccounts:
    """The accounts of a study on its store's books; amounts are in the unit of its cap.

    Args:
        spec: of the study.
    """

    def __init__(self, spec: StudySpec) -> None:
        self.whole = f"study/{spec.study_id}"
        """The account of the study, whose limit is the spend."""
        self.plans_share = 1.0
        """The part of what is paid that goes to plans and not to the judge of their answers; planning goes by it."""
        self.runs_at_once = _RUNS_AT_ONCE
        """How many runs may be in progress: so few that little is paid for answers whose verdicts cannot be."""
        self._spec = spec
        self._unit = spec.cap.unit
        self._judged = isinstance(spec.scorer, Judge)

    def open(self, runner: Runner) -> None:
        """Opens all of them, or finds them again."""
        limit = Limit(self._unit, smallest(self._spec.spend, self._unit))
        runner.open_account(AccountRow(self.whole, None, limit, "paid", f"study {self._spec.study_id}"))
        for phase in self._phases:
            most = Limit(self._unit, smallest(_SHARES[phase] * self._spec.spend, self._unit))
            row = AccountRow(self.of(phase), self.whole, most, "paid", phase)
            runner.open_account(row)
            if self._judged:
                runner.open_account(judge_account(row.account_id, {row.account_id: replace(row, parent_id=None)}))

    def of(self, phase: str) -> str:
        """The account of a phase."""
        return f"{self.whole}/{phase}"

    def most(self, phase: str) -> float:
        """What a phase may pay for plans at most."""
        return self.for_plans(_SHARES[phase] * self._spec.spend)

    def for_plans(self, amount: float) -> float:
        """What is left of an amount for plans, once the judge of their answers is paid."""
        return self.plans_share * amount

    def begin(self, plan: float, verdict: float) -> None:
        """Says what a run and its verdict are expected to cost, before the first of them."""
        self.expect(plan, verdict)
        waiting = _UNJUDGED_SHARE * self.most("search")
        self.runs_at_once = int(max(_FEWEST_AT_ONCE, min(_RUNS_AT_ONCE, waiting / plan if plan else _RUNS_AT_ONCE)))

    def expect(self, plans: float, verdicts: float) -> None:
        """From here on, what is paid is expected to go to plans and to verdicts in this proportion."""
        self.plans_share = max(_LEAST_SHARE, plans / (plans + verdicts)) if verdicts else 1.0

    def learn_share(self, uncached: float) -> None:
        """From here on, planning goes by what the search has paid to plans and to the judge of their answers.

        Args:
            uncached: what its plans would have paid with nothing in the cache. Where they paid less than half of that,
                an earlier study has paid for the answers, and what was paid says nothing of what plans cost.
        """
        paid = self._paid(self.of("search"))
        if self._judged and paid:
            verdicts = self._paid_to_judge("search")
            plans = paid - verdicts
            self.expect(uncached if plans < _PAID_BEFORE * uncached else plans, verdicts)

    @property
    def paid(self) -> float:
        """What the study has paid so far, over all its starts."""
        return self._paid(self.whole)

    @property
    def lost(self) -> float:
        """What it has lost so far."""
        return in_unit(self._spec.store.balance(self.whole).lost, self._unit)

    def left(self, *phases: str) -> float:
        """What the spend leaves for plans after some phases.

        What later phases have paid does not count, so that a study which is started again divides its spend alike.
        """
        return self.for_plans(self._spec.spend - sum(self._paid(self.of(phase)) for phase in phases))

    @property
    def paid_to_judge(self) -> float:
        """What the judge has been paid so far, a part of `paid`; 0 where there is none."""
        return sum(map(self._paid_to_judge, self._phases)) if self._judged else 0.0

    def exhausted(self) -> SpendExhausted:
        """The error of a study that can pay for nothing more."""
        return SpendExhausted(self.whole, f"{self.paid:,g}", f"{self.lost:,g} {self._unit}")

    @property
    def _phases(self) -> list[str]:
        return [phase for phase in _SHARES if self._judged or phase != _OF_JUDGES]

    def _paid_to_judge(self, phase: str) -> float:
        return self._paid(f"{self.of(phase)}/judge")

    def _paid(self, account: str) -> float:
        return in_unit(self._spec.store.balance(account).paid, self._unit)
