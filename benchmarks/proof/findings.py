"""What the proof found, as JSON values."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

__all__ = [
    "ControlGain",
    "Dose",
    "Findings",
    "Gap",
    "NodeShare",
    "PairedDifference",
    "PlannedResult",
    "PolicyResult",
    "Ranged",
    "Standing",
]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Ranged(_Frozen):
    """A number with its two-sided 95 % BCa interval."""

    value: float
    low: float
    high: float


class PolicyResult(_Frozen):
    """A policy at one cap, means over search seeds and orders."""

    label: str
    title: str
    cap: str
    budget: float
    """Per question."""
    score: Ranged
    cost: Ranged
    """Realised, per question."""
    validation_score: float
    optimism: float
    """Validation minus test."""
    seed_deviation: float
    """The standard deviation of the score between search seeds."""
    order_deviation: float
    """Between orders of the questions, mean over search seeds."""
    behind: Ranged | None
    """J minus this policy, both on their own dials where they cost what J does; None for J."""
    behind_at_cap: Ranged | None
    """J minus this policy, both under the cap; None for J."""
    mixed_cost: float
    """What it costs there; that is J's cost unless no budget makes it cost so much, or so little."""
    behind_seed_deviation: float
    """The standard deviation of `behind` between search seeds."""


class Standing(_Frozen):
    """All policies on one pool, in one unit."""

    pool: str
    unit: str
    policies: tuple[PolicyResult, ...]
    synergy: dict[str, Ranged]
    """J - R - A + U at each cap; empty where one of them did not take part."""
    head: str
    """The score head of the first seed."""
    probe: str | None
    inexact: float | None
    """The largest difference in score between the bootstrap's paths and choosing anew, over the draws tried."""


class PairedDifference(_Frozen):
    """A policy against one rival at one cap, as part of a planned comparison."""

    subject: str
    rival: str
    cap: str
    difference: Ranged
    p: float
    detectable: float
    """The minimal effect that a test of 5 % finds with 80 %."""


class PlannedResult(_Frozen):
    """A planned comparison."""

    name: str
    claim: Literal["above", "not below", "equal"]
    parts: tuple[PairedDifference, ...]
    """All must hold; the p-value is the largest of theirs."""
    p: float
    adjusted: float
    """By Holm's method over all planned comparisons."""
    holds: bool


class ControlGain(_Frozen):
    """What a policy seems to gain over the better of R and A where there is nothing to gain."""

    pool: str
    cap: str
    label: str
    gain: Ranged
    """With an interval that holds for all of the pool together."""

    @property
    def shows(self) -> bool:
        """Whether a gain shows that cannot be there."""
        return self.gain.low > 0


class Dose(_Frozen):
    """J minus a rival, both at J's cost, on one pool and one kind of questions."""

    pool: str
    questions: str
    against: str
    """The rival's label."""
    cap: str
    difference: Ranged
    joint: float
    rival: float
    count: int


class Gap(_Frozen):
    """How much of what could be gained was gained, on the questions with several replicates."""

    cap: str
    static: float
    joint: float
    oracle: float
    oracle_cost: float
    joint_above_static: Ranged
    oracle_above_static: Ranged
    closed: float | None
    """The ratio of the two; None where the oracle is not far enough above."""


class NodeShare(_Frozen):
    """What the joint policy gave a node."""

    cap: str
    node: str
    model: str
    """Or "-" for what needs none."""
    questions: float
    """The share of questions in which it ran."""


class Findings(_Frozen):
    """Everything that the command prints."""

    protocol: dict[str, Any]
    budgets: dict[str, dict[str, float]]
    """Per question: by unit, by cap."""
    pools: dict[str, tuple[str, ...]]
    """The models of each pool."""
    arms: int
    """Candidate plans that were measured."""
    questions: dict[str, int]
    """How many each part has."""
    seeds: dict[str, int]
    """Of the generators, by part."""
    planned: tuple[PlannedResult, ...]
    standings: tuple[Standing, ...]
    """The mixed pool in weighted tokens comes first."""
    controls: tuple[ControlGain, ...]
    doses: tuple[Dose, ...]
    gaps: tuple[Gap, ...]
    nodes: tuple[NodeShare, ...]
    test_reads: int
    """How often the command has read this test part, this time included."""
    evaluations: int
    """(policy, cap, search seed) that met test questions this time."""
    seconds: float
    """Of the matches."""
    measured_seconds: float
    """Of measuring, before them."""
    stages: dict[str, float]
    """What each took, in seconds."""
    location: str
    """The name of the database."""

    @property
    def failed(self) -> tuple[PlannedResult, ...]:
        """The planned comparisons that do not hold."""
        return tuple(result for result in self.planned if not result.holds)

    @property
    def impossible(self) -> tuple[ControlGain, ...]:
        """The gains that show in a control, where there is nothing to gain."""
        return tuple(control for control in self.controls if control.shows)
