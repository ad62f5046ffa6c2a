"""What each policy family learns from in one match: its portfolio, the common predictor, and what both rehearse on."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from apportion import UsageError
from apportion.optimizers.arrays import Ints
from apportion.optimizers.policies.base import ArmPolicy
from apportion.optimizers.policies.joint_safe import JointSafe
from apportion.optimizers.policies.registry import policy_named
from apportion.optimizers.policies.rehearsal import Rehearsal, rehearse
from apportion.optimizers.policies.stratified import prepared
from apportion.optimizers.prediction.predictor import Predictor, fit_predictor
from apportion.optimizers.tables.cascades import with_cascades
from apportion.optimizers.tables.table import Lesson, Table

from .portfolios import Kind, portfolio_of, shown, with_whole_vectors
from .protocol import CONTESTANTS, Contestant

__all__ = ["Entrant", "Squad", "contestants_named", "entrants_of", "halves", "squads_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Squad:
    """The tables of a policy family, and what its policies share. Predictor and cascades are searched once for all."""

    fit: Table
    validation: Table
    test: Table
    predictor: Predictor | None
    rehearsal: Rehearsal | None

    def known_to(self, policy: ArmPolicy) -> Squad:
        """The same, with what the predictors of a policy make of its questions."""

        def with_forecasts(table: Table) -> Table:
            return replace(table, known=prepared(policy, table.batch()).known)

        return replace(self, validation=with_forecasts(self.validation), test=with_forecasts(self.test))


@dataclass(frozen=True, slots=True, eq=False)
class Entrant:
    """A policy that was fitted, with the tables that it meets."""

    contestant: Contestant
    policy: ArmPolicy
    validation: Table
    test: Table
    """With the policy's cascades among the arms, so that no choice works them out again."""
    shows: Table
    """The same questions with what shows of the answers."""


def contestants_named(labels: Sequence[str]) -> list[Contestant]:
    """The contestants, in the order of the protocol.

    Raises:
        UsageError: a label is nobody's.
    """
    known = {contestant.label: contestant for contestant in CONTESTANTS}
    for label in labels:
        if label not in known:
            raise UsageError(f"no contestant {label!r}; there are {', '.join(known)}")
    return [contestant for contestant in CONTESTANTS if contestant.label in labels]


def halves(dev: Table, seed: int, share: float) -> tuple[Ints, Ints]:
    """Splits questions into fit and validation at random, each family by itself.

    Args:
        dev: the questions.
        seed: of the split.
        share: of each family, what goes to fit.
    """
    generator = np.random.default_rng([seed, len(dev.questions)])
    families: dict[str, list[int]] = {}
    for number, question in enumerate(dev.questions):
        families.setdefault(question.family, []).append(number)
    fit: list[int] = []
    for members in families.values():
        fit += generator.permutation(members)[: round(share * len(members))].tolist()
    chosen = np.zeros(len(dev.questions), bool)
    chosen[fit] = True
    return np.flatnonzero(chosen), np.flatnonzero(~chosen)


def squads_of(
    fit: Table,
    validation: Table,
    test: Table,
    kinds: Collection[Kind],
    *,
    budget: float,
    seed: int,
    portfolio: int,
    heads: tuple[str, ...] = (),
) -> dict[Kind, Squad]:
    """For each family its portfolio and, where its policies need one, a predictor; the head is chosen once.

    Args:
        fit: every candidate on the questions to learn from.
        validation: on those to compare on.
        test: on those that are held back.
        kinds: the families.
        budget: per question, for which the head is chosen.
        seed: of the lesson.
        portfolio: the most arms of a family.
        heads: the only score head; all are compared where it is left out.
    """
    nodes = sorted({node for arm in fit.arms for node, _ in arm.models})
    squads: dict[Kind, Squad] = {}
    for kind in sorted(set(kinds), key=("free", "route", "allocate", "static").index):
        entries = portfolio_of(kind, fit, portfolio)
        if kind in ("free", "route"):
            entries = with_whole_vectors(entries, nodes)
        parts = [shown(table, entries) for table in (fit, validation, test)]
        predictor, rehearsal = None, None
        if kind != "static":
            lesson = Lesson(parts[0], parts[1], budget, seed)
            predictor = fit_predictor(lesson, head=heads[0] if len(heads) == 1 else None)
            heads = (predictor.head,)
            parts = [replace(table, known=predictor.prepared(table.batch()).known) for table in parts]
            rehearsal = rehearse(Lesson(parts[0], parts[1], budget, seed), predictor)
        squads[kind] = Squad(parts[0], parts[1], parts[2], predictor, rehearsal)
    return squads


def entrants_of(
    contestants: Sequence[Contestant], squads: Mapping[Kind, Squad], budgets: Mapping[str, float], seed: int
) -> Iterator[tuple[str, dict[str, Entrant]]]:
    """The policies for one cap after the other, by label.

    Args:
        contestants: who takes part.
        squads: of their families.
        budgets: per question, by cap.
        seed: of the lessons.
    """
    squads, kept = dict(squads), dict[str, ArmPolicy]()
    for cap, budget in budgets.items():
        fitted: dict[str, ArmPolicy] = {}
        for contestant in contestants:
            squad = squads[contestant.kind]
            policy = kept.get(contestant.label)
            if policy is None:
                members = tuple(fitted[one.label] for one in contestants if one.kind == "free" and one.label in fitted)
                policy = _fitted(contestant, squad, budget, seed, members)
            if contestant.once:
                kept[contestant.label] = policy
            fitted[contestant.label] = policy
            squads[contestant.kind] = squad.known_to(policy)
        yield cap, {one.label: _entrant(one, fitted[one.label], squads[one.kind]) for one in contestants}


def _fitted(
    contestant: Contestant, squad: Squad, budget: float, seed: int, members: tuple[ArmPolicy, ...]
) -> ArmPolicy:
    """The contestant's policy for a cap, as `fit_all` makes it, on what its family shares."""
    lesson = Lesson(squad.fit, squad.validation, budget, seed)
    make = policy_named(contestant.policy)
    from_predictor = getattr(make, "from_predictor", None)
    if from_predictor is None or squad.predictor is None:
        return make.fit(lesson)
    if make.name == JointSafe.name:
        return JointSafe.from_predictor(lesson, squad.predictor, squad.rehearsal, members)
    policy: ArmPolicy = from_predictor(lesson, squad.predictor, squad.rehearsal)
    return policy


def _entrant(contestant: Contestant, policy: ArmPolicy, squad: Squad) -> Entrant:
    # Who decides after each look needs the answers, which a table with cascades does not show.
    looks = callable(getattr(policy, "next", None))
    cascades = [arm for arm in policy.arms if arm.stages and not looks]
    test, validation = (
        with_cascades(table, cascades) if cascades else table for table in (squad.test, squad.validation)
    )
    return Entrant(contestant, policy, validation, test, squad.test)
