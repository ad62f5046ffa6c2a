"""From matches to findings: averages over search seeds, intervals, and the planned comparisons."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from apportion.optimizers.bootstrap import Interval
from apportion.optimizers.tables.table import Arm

from .contest import JOINT, ContestOutcome, Showing
from .draws import Statistic
from .findings import Dose, NodeShare, PairedDifference, PlannedResult, PolicyResult, Ranged, Standing
from .protocol import CONTESTANTS, PLANNED, Planned, Protocol
from .statistics import equivalence_p, holm, minimal_detectable_effect, one_sided_p

__all__ = ["dose_of", "node_shares", "planned_results", "ranged", "standing_of"]


def ranged(statistic: Statistic) -> Ranged:
    """A statistic with its interval."""
    found: Interval = statistic.interval
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
        protocol: margin and level.
    """
    held = [planned for planned in PLANNED if planned.pool in matches]
    parts = [_parts(planned, matches[planned.pool], protocol) for planned in held]
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


def dose_of(outcomes: Sequence[ContestOutcome], pool: str, questions: str, rival: str = "R→A") -> list[Dose]:
    """J against its nearest rival at every cap."""
    found = []
    for cap in dict.fromkeys(showing.cap for showing in outcomes[0].showings):
        joint = Statistic.average([showing.score for showing in _of(outcomes, JOINT, cap)])
        behind = _behind(outcomes, rival, cap)
        found.append(
            Dose(
                pool=pool,
                questions=questions,
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

    Args:
        outcomes: of the matches.
        arms: all candidates, with the models of the nodes that are active.
    """
    known = {arm.plan or arm.name: arm for arm in arms}
    shares: dict[tuple[str, str, str], float] = {}
    for showing in (one for outcome in outcomes for one in outcome.showings if one.label == JOINT):
        total = sum(count for count, _ in showing.given.values())
        for plan, (count, _) in showing.given.items():
            for node, model in known[plan].models:
                place = showing.cap, node, model
                shares[place] = shares.get(place, 0.0) + count / total / len(outcomes)
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
    gaps = [j.score.estimate - s.matched.estimate for j, s in zip(joint, seen, strict=True) if s.matched is not None]
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
        behind=None if label == JOINT else ranged(_behind(outcomes, label, cap)),
        behind_at_cap=None
        if label == JOINT
        else ranged(Statistic.average([showing.score for showing in joint]) - score),
        mixed_cost=float(np.mean([showing.mixed_cost for showing in seen])),
        behind_seed_deviation=_deviation(gaps),
    )


def _behind(outcomes: Sequence[ContestOutcome], rival: str, cap: str) -> Statistic:
    """J minus a rival's mixture hull at J's cost."""
    joint = Statistic.average([showing.score for showing in _of(outcomes, JOINT, cap)])
    return joint - _matched(outcomes, rival, cap)


def _matched(outcomes: Sequence[ContestOutcome], rival: str, cap: str) -> Statistic:
    return Statistic.average([showing.matched for showing in _of(outcomes, rival, cap) if showing.matched is not None])


def _synergy(outcomes: Sequence[ContestOutcome], cap: str) -> Ranged:
    means = {
        label: Statistic.average([showing.score for showing in _of(outcomes, label, cap)])
        for label in (JOINT, "R", "A", "U")
    }
    return ranged(means[JOINT] - means["R"] - means["A"] + means["U"])


def _parts(planned: Planned, outcomes: Sequence[ContestOutcome], protocol: Protocol) -> list[PairedDifference]:
    """The tests that a planned comparison consists of."""
    if planned.claim == "equal":
        return [_equal(planned, outcomes, cap, protocol.margin) for cap in planned.caps]
    above = 0.0 if planned.claim == "above" else -protocol.margin
    found = []
    for cap in planned.caps:
        for rival in planned.rivals:
            gap = _behind(outcomes, rival, cap)
            p = one_sided_p(gap.draws, gap.left_out, gap.estimate, above=above)
            found.append(_difference(rival, cap, gap, p))
    return found


def _equal(planned: Planned, outcomes: Sequence[ContestOutcome], cap: str, margin: float) -> PairedDifference:
    joint = Statistic.average([showing.score for showing in _of(outcomes, JOINT, cap)])
    gap = joint - Statistic.largest([_matched(outcomes, rival, cap) for rival in planned.rivals])
    p = equivalence_p(gap.draws, gap.left_out, gap.estimate, margin)
    return _difference(f"the better of {' and '.join(planned.rivals)}", cap, gap, p)


def _difference(rival: str, cap: str, gap: Statistic, p: float) -> PairedDifference:
    count = len(gap.left_out)
    detectable = minimal_detectable_effect(gap.error * math.sqrt(count), count)
    return PairedDifference(rival=rival, cap=cap, difference=ranged(gap), p=p, detectable=detectable)


def _deviation(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
