"""Multi-objective TPE: where the race ends, densities of good and of other plans say what to try next."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import PlanError
from ...graphs.plan import Plan
from ..bootstrap import resample_weights
from .base import ProblemSpec, Proposal
from .measurement import Measurement
from .racing import Race, Racing
from .ranking import Ranking
from .resumable import Resumable, Rounds

if TYPE_CHECKING:
    import optuna

__all__ = ["TPE"]

_RACE_SHARE = 0.5
"""The part of the spend after which TPE takes over from the race."""
_BATCH = 8
_ASKED = 32
"""How often a round asks for plans; most of what it is told, late in a search, is known already."""
_ROUNDS = 60
_FIRST_SHARE = 0.25
"""The part of the tasks on which a new plan is measured first."""
_HOPEFUL = 0.05
"""The share of bootstrap draws in which a plan must be better than the leader to meet all tasks."""
_DRAWS = 400
_SWITCH = (True, False)


class TPE:
    """Races with half of the spend, then lets a tree-structured Parzen estimator propose (Ozaki et al. 2022; Optuna).

    The estimator is told every plan that was measured, with its score (up) and its cost (down), and that a mean cost
    above the cap is a violated constraint (Watanabe and Hutter 2023). A plan that has met few tasks is told as what it
    scored beside the leader on these tasks. New plans are measured on a quarter of the tasks, and on all of them where
    they may still be better than the leader.

    Args:
        spec: the plans, the tasks and what may be spent.
    """

    def __init__(self, spec: ProblemSpec) -> None:
        self._finish = Racing(spec)
        self._walk = Resumable(lambda: _Search(spec).rounds())

    def propose(self, measured: Mapping[str, Measurement]) -> Sequence[Proposal]:
        """See `Optimizer.propose`."""
        return self._walk.go_on(measured)

    def survivors(self, measured: Mapping[str, Measurement]) -> Sequence[Plan]:
        """See `Optimizer.survivors`: in the same order as those of the race."""
        return self._finish.survivors(measured)


class _Search:
    """One search from its beginning to its end."""

    def __init__(self, spec: ProblemSpec) -> None:
        self._spec = spec
        self._known: dict[str, Measurement] = {}
        self._standing = Ranking(spec.affordable, spec.seed)

    def rounds(self) -> Rounds:
        """The race's rounds, then those of the estimator; see `Rounds`."""
        race = Race(self._spec, _RACE_SHARE).rounds()
        proposals: Sequence[Proposal] | None = next(race, None)
        while proposals:
            answers = yield proposals
            self._learn(answers)
            try:
                proposals = race.send(answers)
            except StopIteration:
                proposals = None
        yield from self._complete([self._leader().plan])
        first = max(1, round(self._spec.tasks * _FIRST_SHARE))
        for number in range(_ROUNDS):
            plans = self._ask(number)
            if not plans:
                return
            answers = yield [Proposal(plan, first) for plan in plans]
            self._learn(answers)
            yield from self._complete([answer.plan for answer in answers if self._hopeful(answer)])

    def _complete(self, plans: Sequence[Plan]) -> Rounds:
        """Lets plans meet all tasks."""
        tasks = self._spec.tasks
        proposals = [Proposal(plan, tasks) for plan in plans if len(self._known[plan.hash].outcomes) < tasks]
        if proposals:
            self._learn((yield proposals))

    def _learn(self, answers: Sequence[Measurement]) -> None:
        self._known |= {answer.plan.hash: answer for answer in answers}

    def _leader(self) -> Measurement:
        """The best of those that have met most tasks."""
        longest = max(len(m.outcomes) for m in self._known.values())
        return self._standing.order([m for m in self._known.values() if len(m.outcomes) == longest])[0]

    def _hopeful(self, measurement: Measurement) -> bool:
        """Whether a plan may be better than the leader, and the cap may allow it."""
        leader = self._leader()
        tasks = min(len(measurement.outcomes), len(leader.outcomes))
        weights = resample_weights(tasks, _DRAWS, self._spec.seed)
        ahead = weights @ (measurement.scores[:tasks] - leader.scores[:tasks])
        return float(np.mean(ahead > 0)) >= _HOPEFUL and not self._standing.too_dear(measurement)

    def _ask(self, number: int) -> list[Plan]:
        """Plans that were never measured, as the estimator proposes them; none where it knows no more."""
        import optuna  # here, because a command that does not search should not wait for its import

        with _silenced():
            sampler = optuna.samplers.TPESampler(
                seed=self._spec.seed * _ROUNDS + number, multivariate=True, group=True, n_startup_trials=0
            )
            study = optuna.create_study(sampler=sampler, directions=["maximize", "minimize"])
            study.add_trials(self._trials())
            found: dict[Plan, None] = {}
            for _ in range(_ASKED if len(self._known) < self._spec.space.size else 0):
                plan = self._suggested(study.ask())
                if plan is not None and plan.hash not in self._known:
                    found[plan] = None
                if len(found) == _BATCH:
                    break
        return list(found)

    def _trials(self) -> list[optuna.trial.FrozenTrial]:
        """What is known, as trials. They are made anew for each round, because later tasks change the means."""
        from optuna.distributions import CategoricalDistribution
        from optuna.trial import create_trial

        leader = self._leader()
        trials = []
        for one in self._known.values():
            settings: dict[str, Any] = {edge: edge in one.plan.edges for edge in self._spec.space.optional_edges}
            settings |= {name: _text(value) for name, value in one.plan.values.items()}
            beside = leader.first(len(one.outcomes))
            score = leader.score + one.score - beside.score
            cost = one.cost * (leader.cost / beside.cost if beside.cost else 1.0)
            trial = create_trial(
                params=settings,
                distributions={name: CategoricalDistribution(self._choices(name)) for name in settings},
                values=[score, cost],
                constraints={"cap": float(one.burdens.mean()) - self._spec.affordable},
            )
            trials.append(trial)
        return trials

    def _suggested(self, trial: optuna.Trial) -> Plan | None:
        """The plan of a trial: its edges decide which knobs there are. None where nothing leads to the end."""
        space = self._spec.space
        edges = [edge for edge in space.optional_edges if trial.suggest_categorical(edge, self._choices(edge))]
        try:
            names = space.plan(edges=edges).values
        except PlanError:
            return None
        values = {name: json.loads(trial.suggest_categorical(name, self._choices(name))) for name in names}
        return space.nearest(values, edges)

    def _choices(self, name: str) -> Sequence[Any]:
        """Of an edge or a knob."""
        space = self._spec.space
        return _SWITCH if name in space.optional_edges else [_text(value) for value in space.knobs[name]]


def _text(value: object) -> str:
    """Optuna's choices are texts, numbers and truth values."""
    return json.dumps(value, sort_keys=True)


@contextmanager
def _silenced() -> Iterator[None]:
    """No line in the log for every study, and no warning that `group`, which is for conditional knobs, may change."""
    import optuna
    from optuna.exceptions import ExperimentalWarning

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)
