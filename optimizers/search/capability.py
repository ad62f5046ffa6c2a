"""Capability cards: what more budget brings a model, by family of tasks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...graphs.knob_name import KnobName
from ...graphs.plan import Plan
from ...graphs.space import Space
from ..bootstrap import resample_weights
from .measurement import Measurement, frontier

__all__ = ["Capabilities", "CapabilityCard", "best_in_some_family"]

_DRAWS = 1000
_LEVEL = 0.05
"""The lower bound is this quantile of the bootstrap draws."""
_ENOUGH = 16
"""On fewer tasks of a family a card says nothing."""


@dataclass(frozen=True, slots=True)
class CapabilityCard:
    """The marginal gain of a model from one step of budget in one family."""

    model: str
    family: str
    knob: str
    """`node.knob`, or `check->solve.rounds` of a loop."""
    less: Any
    """The value that costs less."""
    more: Any
    tasks: int
    pairs: int
    """How many pairs of plans that differ in this knob alone were compared."""
    gain: float
    """Mean score of `more` minus that of `less`."""
    low: float
    """Lower bound of the gain, one-sided 95 %, by paired bootstrap over the tasks."""

    @property
    def flat(self) -> bool:
        """Whether enough was seen to say that the gain is not above 0 for sure."""
        return self.tasks >= _ENOUGH and self.low <= 0


class Capabilities:
    """The cards of all models that were measured at two budgets, and what they advise against.

    Args:
        space: of the plans.
        measured: plans on the first tasks of the common order.
        families: of these tasks, in order; empty where all are one family.
        seed: of the bootstrap.
    """

    def __init__(
        self, space: Space, measured: Iterable[Measurement], families: Sequence[str] = (), *, seed: int = 0
    ) -> None:
        self._space = space
        self._seed = seed
        self._called: dict[tuple[str, str], tuple[str, ...]] = {}
        steps: dict[tuple[str, str, str, str], list[tuple[Measurement, Measurement]]] = defaultdict(list)
        values: dict[str, Any] = {}
        for knob, pair in _pairs(list(measured)):
            less, more = pair
            model = self._model(knob, less.plan)
            if model:
                low, high = less.plan.values[knob], more.plan.values[knob]
                values |= {repr(low): low, repr(high): high}
                steps[model, knob, repr(low), repr(high)].append(pair)
        self.cards: tuple[CapabilityCard, ...] = tuple(
            card
            for (model, knob, low, high), pairs in sorted(steps.items(), key=lambda step: step[0])
            for card in self._cards(model, knob, values[low], values[high], pairs, families)
        )
        """By model, knob and family."""
        self._flat = self._advice(set(families) or {""})

    def wasteful(self, plan: Plan) -> bool:
        """Whether a knob gives a model a budget that was seen to gain nothing in any family against a cheaper one."""
        told = ((knob, self._flat.get((knob, repr(value)))) for knob, value in plan.values.items())
        return any(self._model(knob, plan) in models for knob, models in told if models)

    def _model(self, knob: str, plan: Plan) -> str:
        """The model whose budget a knob is; empty for the choice of a model, and where a node calls none or several."""
        name, graph = KnobName.of(knob), self._space.graph
        node = name.reader
        if not (name.of_node or name.of_rounds) or (name.of_node and name.setting in graph.nodes[node].model_knobs()):
            return ""
        key = (node, repr(plan.settings(node)))
        if key not in self._called:
            pinned = self._space.pinned(plan, node)
            self._called[key] = graph.kinds[pinned.kind].called_by(pinned)
        return self._called[key][0] if len(self._called[key]) == 1 else ""

    def _cards(
        self,
        model: str,
        knob: str,
        less: Any,
        more: Any,
        pairs: Sequence[tuple[Measurement, Measurement]],
        families: Sequence[str],
    ) -> Iterable[CapabilityCard]:
        longest = max(len(low.outcomes) for low, _ in pairs)
        total, met = np.zeros(longest), np.zeros(longest)
        for low, high in pairs:
            met[: len(low.outcomes)] += 1
            total[: len(low.outcomes)] += high.scores - low.scores
        gains = total / met
        kinds = np.array(families[:longest] if families else [""] * longest)
        for family in sorted(set(kinds.tolist())):
            seen = gains[kinds == family]
            means = resample_weights(len(seen), _DRAWS, self._seed) @ seen
            low_bound = float(np.quantile(means, _LEVEL))
            yield CapabilityCard(model, family, knob, less, more, len(seen), len(pairs), float(seen.mean()), low_bound)

    def _advice(self, families: set[str]) -> Mapping[tuple[str, str], set[str]]:
        """By knob and value: the models for which it is flat against one cheaper value in every family."""
        flat: dict[tuple[str, str, str, str], set[str]] = defaultdict(set)
        for card in self.cards:
            if card.flat:
                flat[card.model, card.knob, repr(card.less), repr(card.more)].add(card.family)
        advice: dict[tuple[str, str], set[str]] = defaultdict(set)
        for (model, knob, _, more), seen in flat.items():
            if seen >= families:
                advice[knob, more].add(model)
        return dict(advice)


def best_in_some_family(measured: Sequence[Measurement], families: Sequence[str] = ()) -> list[Measurement]:
    """The plans on the frontier of score against cost in at least one family, in the order of the families.

    A specialist for one family is seldom on the frontier over all of them, and is what a policy needs.

    Args:
        measured: all on the same tasks.
        families: of these tasks, in order; empty where all are one family.
    """
    if not measured:
        return []
    tasks = len(measured[0].outcomes)
    kinds = np.array(families[:tasks] if families else [""] * tasks)
    by_plan = {m.plan.hash: m for m in measured}
    found: dict[str, Measurement] = {}
    for family in sorted(set(kinds.tolist())):
        places = np.flatnonzero(kinds == family).tolist()
        parts = [Measurement(m.plan, tuple(m.outcomes[place] for place in places)) for m in measured]
        found |= {part.plan.hash: by_plan[part.plan.hash] for part in frontier(parts)}
    return list(found.values())


def _pairs(measured: Sequence[Measurement]) -> Iterable[tuple[str, tuple[Measurement, Measurement]]]:
    """(knob, (less, more)): plans that differ in one knob alone, cut to common tasks, the cheaper first."""
    lines: dict[tuple[str, tuple[str, ...], str], list[Measurement]] = defaultdict(list)
    for one in measured:
        settings: Mapping[str, Any] = one.plan.values
        for knob in settings:
            others = repr([(name, value) for name, value in settings.items() if name != knob])
            lines[knob, one.plan.edges, others].append(one)
    for (knob, _, _), line in lines.items():
        for place, first in enumerate(line):
            for second in line[place + 1 :]:
                tasks = min(len(first.outcomes), len(second.outcomes))
                pair = sorted((first.first(tasks), second.first(tasks)), key=lambda m: (m.cost, m.plan.hash))
                if pair[0].cost < pair[1].cost:
                    yield knob, (pair[0], pair[1])
