"""From matches to findings: averages over search seeds, intervals, and the planned comparisons."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from apportion.optimizers.bootstrap import Interval
from apportion.optimizers.tables.table import Arm

from .contest import JOINT, ContestOutcome, Showing
from .draws import Statistic
from .findings import ControlGain, Dose, NodeShare, PairedDifference, PlannedResult, PolicyResult, Ranged, Standing
from .protocol import CONTESTANTS, PLANNED, Planned, Protocol
from .statistics import equivalence_p, holm, minimal_detectable_effect, one_sided_p

__all__ = ["control_gains", "dose_of", "node_shares", "planned_results", "ranged", "standing_of"]


_BETTER_OF = ("R", "A")
"""Who decides one thing only, and all that there is to decide in a control."""


def ranged(statistic: Statistic, level: float = 0.95) -> Ranged:
    """A statistic with its interval."""
    found: Interval = statistic.interval(level)
    return Ranged(value=found.mean, low=found.low, high=found.high)


def standing_of(outcomes: Sequence[ContestOutcome], budgets: Mapping[str, float], pool: str, unit: str) -> Standing:
    """All policies on one pool, averaged over its matches, one for each search seed."""
    first = outcomes[0]
    labels = list(dict.fromkeys(showing.label for showing in first.showings))
    inexact = [outcome.inexact for outcome in outcomes if not math.isnan(outcome.inexact)]
    return Standing(
        pool=pool,
        unit=unit,
        policies=tuple(_policy(outcomes, label, cap, budget) for cap, budget in budgets.items() for label in labels),
        synergy={cap: _synergy(outcomes, cap) for cap in budgets} if {"U", "R", "A"} <= set(labels) else {},
        head=first.head,
        probe=first.probe,
        inexact=max(inexact) if inexact else None,
    )


def planned_results(matches: Mapping[str, Sequence[ContestOutcome]], protocol: Protocol) -> tuple[PlannedResult, ...]:
    """Every planned comparison whose pool was measured, with p-values adjusted over all of them.

    Args:
        matches: by pool.
        protocol: its level.
    """
    held = [planned for planned in PLANNED if planned.pool in matches]
    parts = [_parts(planned, matches[planned.pool]) for planned in held]
    worst = [max(part.p for part in each) for each in parts]
    return tuple(
        PlannedResult(
            name=planned.name,
            claim=planned.claim,
            parts=tuple(each),
            p=p,
            adjusted=adjusted,
            holds=adjusted <= protocol.level,
        )
        for planned, each, p, adjusted in zip(held, parts, worst, holm(worst), strict=True)
    )


def control_gains(outcomes: Sequence[ContestOutcome], pool: str) -> list[ControlGain]:
    """What each policy seems to gain over the better of R and A in a pool where there is nothing to gain.

    All at the cost of J, with intervals that hold for all of a pool together with 95 % (Bonferroni).
    """
    seen = [(showing.cap, showing.label) for showing in outcomes[0].showings]
    places = [(cap, label) for cap, label in seen if label not in _BETTER_OF]
    level = 1 - 0.05 / len(places)
    found = []
    for cap, label in places:
        better = Statistic.largest([_matched(outcomes, rival, cap) for rival in _BETTER_OF])
        gain = ranged(_matched(outcomes, label, cap) - better, level)
        found.append(ControlGain(pool=pool, cap=cap, label=label, gain=gain))
    return found


def dose_of(outcomes: Sequence[ContestOutcome], pool: str, questions: str, rival: str = "R→A") -> list[Dose]:
    """J against a rival at every cap."""
    found = []
    for cap in dict.fromkeys(showing.cap for showing in outcomes[0].showings):
        joint = _matched(outcomes, JOINT, cap)
        behind = joint - _matched(outcomes, rival, cap)
        found.append(
            Dose(
                pool=pool,
                questions=questions,
                against=rival,
                cap=cap,
                difference=ranged(behind),
                joint=joint.estimate,
                rival=joint.estimate - behind.estimate,
                count=len(joint.left_out),
            )
        )
    return found


def node_shares(outcomes: Sequence[ContestOutcome], arms: Sequence[Arm]) -> list[NodeShare]:
    """In how many questions J let each node run, and on which model, means over search seeds.

    A question that went through several stages of a cascade counts for each of them.

    Args:
        outcomes: of the matches.
        arms: all candidates, with the models of the nodes that are active.
    """
    known = {arm.plan or arm.name: arm for arm in arms}
    shares: dict[tuple[str, str, str], float] = {}
    for showing in (one for outcome in outcomes for one in outcome.showings if one.label == JOINT):
        total = len(showing.score.left_out) * len(outcomes)
        for plan, count in showing.asked.items():
            for node, model in known[plan].models:
                place = showing.cap, node, model
                shares[place] = shares.get(place, 0.0) + count / total
    return [
        NodeShare(cap=cap, node=node, model=model, questions=share)
        for (cap, node, model), share in sorted(shares.items(), key=lambda item: (item[0][0], item[0][1], -item[1]))
    ]


def _of(outcomes: Sequence[ContestOutcome], label: str, cap: str) -> list[Showing]:
    """A policy at a cap, one for each search seed."""
    return [
        showing for outcome in outcomes for showing in outcome.showings if showing.label == label and showing.cap == cap
    ]


def _policy(outcomes: Sequence[ContestOutcome], label: str, cap: str, budget: float) -> PolicyResult:
    seen, joint = _of(outcomes, label, cap), _of(outcomes, JOINT, cap)
    score = Statistic.average([showing.score for showing in seen])
    validation = float(np.mean([showing.validation_score for showing in seen]))
    gaps = [j.matched.estimate - s.matched.estimate for j, s in zip(joint, seen, strict=True)]
    return PolicyResult(
        label=label,
        title=next(contestant.title for contestant in CONTESTANTS if contestant.label == label),
        cap=cap,
        budget=budget,
        score=ranged(score),
        cost=ranged(Statistic.average([showing.cost for showing in seen])),
        validation_score=validation,
        optimism=validation - score.estimate,
        seed_deviation=_deviation([showing.score.estimate for showing in seen]),
        order_deviation=float(np.mean([_deviation(showing.served_scores) for showing in seen])),
        behind=None if label == JOINT else ranged(_matched(outcomes, JOINT, cap) - _matched(outcomes, label, cap)),
        behind_at_cap=None
        if label == JOINT
        else ranged(Statistic.average([showing.score for showing in joint]) - score),
        mixed_cost=float(np.mean([showing.mixed_cost for showing in seen])),
        behind_seed_deviation=_deviation(gaps),
    )


def _matched(outcomes: Sequence[ContestOutcome], label: str, cap: str) -> Statistic:
    """A policy where it costs what J does."""
    return Statistic.average([showing.matched for showing in _of(outcomes, label, cap)])


def _synergy(outcomes: Sequence[ContestOutcome], cap: str) -> Ranged:
    means = {
        label: Statistic.average([showing.score for showing in _of(outcomes, label, cap)])
        for label in (JOINT, "R", "A", "U")
    }
    return ranged(means[JOINT] - means["R"] - means["A"] + means["U"])


def _parts(planned: Planned, outcomes: Sequence[ContestOutcome]) -> list[PairedDifference]:
    """The tests that a planned comparison consists of."""
    found = []
    for cap in planned.caps:
        subject = _matched(outcomes, planned.subject, cap)
        rivals = {rival: _matched(outcomes, rival, cap) for rival in planned.rivals}
        if planned.claim == "equal":
            rivals = {f"the better of {' and '.join(rivals)}": Statistic.largest(list(rivals.values()))}
        for rival, other in rivals.items():
            gap = subject - other
            found.append(_difference(planned, rival, cap, gap, _p(planned, gap)))
    return found


def _p(planned: Planned, gap: Statistic) -> float:
    if planned.claim == "equal":
        return equivalence_p(gap.draws, gap.left_out, gap.estimate, planned.margin)
    above = 0.0 if planned.claim == "above" else -planned.margin
    return one_sided_p(gap.draws, gap.left_out, gap.estimate, above=above)


def _difference(planned: Planned, rival: str, cap: str, gap: Statistic, p: float) -> PairedDifference:
    count = len(gap.left_out)
    detectable = minimal_detectable_effect(gap.error * math.sqrt(count), count)
    return PairedDifference(
        subject=planned.subject, rival=rival, cap=cap, difference=ranged(gap), p=p, detectable=detectable
    )


def _deviation(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
