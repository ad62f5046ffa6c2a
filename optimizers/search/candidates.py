"""The plans that may enter a race, as arrays: what they have in common, and what calls they share."""

from __future__ import annotations

import random
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from ...errors import PlanError
from ...graphs.knob_name import KnobName
from ...graphs.plan import Plan
from ...graphs.space import Space
from ..arrays import Floats, Ints
from .gate_rates import GateRates, Route
from .shared_calls import Item, SharedCalls

__all__ = ["Candidates", "covering"]

_MOST = 4000
"""A larger space is sampled, and grows near what does well."""
_SAMPLED = 2000
_GROWTH = 40
"""How many mixtures are tried in one round, and half of how many plans are let in at most."""
_MIXED = 24
"""Among how many of the best the parents of mixtures are chosen."""
_LEVEL, _EDGE, _KNOB, _SETTING = 0.3, 0.12, 0.08, 0.08
"""Prior standard deviations of the scores' level, and of what an edge, a knob's value and a node's setting do to it."""


class Candidates:
    """A numbered set of plans of one space; all of them where the space is small.

    Args:
        space: the plans.
        generator: of the sample and of the order.
    """

    def __init__(self, space: Space, generator: random.Random) -> None:
        self._space = space
        self._reuse = SharedCalls(space)
        self._items: dict[Item, int] = {}
        self._traits: dict[Hashable, int] = {}
        self._features: dict[Hashable, int] = {}
        self._deviations: list[float] = []
        self._open: dict[str, int] = {"": 0}
        self._routes: dict[Route, int] = {}
        self._route_of: list[int] = []
        self._rows: list[tuple[list[int], list[tuple[int, int, int]]]] = []
        self.plans: list[Plan] = []
        self.number: dict[str, int] = {}
        self.complete = space.size <= _MOST
        """Whether it has all plans of the space."""
        plans = list(space) if self.complete else [space.sample(generator) for _ in range(_SAMPLED)]
        generator.shuffle(plans)
        self.add(plans)

    def add(self, plans: Iterable[Plan]) -> None:
        """Lets further plans in; those that are in already stay where they are."""
        before = len(self.plans)
        for plan in plans:
            if plan.hash not in self.number:
                self.number[plan.hash] = len(self.plans)
                self.plans.append(plan)
                self._rows.append((self._features_of(plan), self._uses_of(plan)))
        if len(self.plans) > before:
            self._arrange()

    def numbers(self, plans: Iterable[Plan]) -> Ints:
        """Their numbers."""
        return np.array([self.number[plan.hash] for plan in plans], np.intp)

    def near(self, leaders: Sequence[Plan], others: Sequence[Plan], generator: random.Random) -> list[Plan]:
        """Plans near the leaders, and mixtures of what did well: most calls of a mixture have been made already.

        Args:
            leaders: whose neighbours are asked for.
            others: plans that did well, best first.
            generator: chooses among them.
        """
        space = self._space
        found = [plan for leader in dict.fromkeys(leaders) for plan in space.neighbours(leader)]
        generator.shuffle(found)
        good = list(dict.fromkeys([*leaders, *others[:_MIXED]]))
        for _ in range(_GROWTH if len(good) > 1 else 0):
            one, two = generator.sample(good, 2)
            taken = {name for name in space.graph.nodes if generator.random() < 0.5}
            values = {**one.values, **{n: v for n, v in two.values.items() if KnobName.of(n).place in taken}}
            edges = {*one.edges, *two.edges} if generator.random() < 0.5 else set(one.edges)
            found.append(space.plan({**two.values, **values}, edges))
        return [plan for plan in dict.fromkeys(found) if plan.hash not in self.number][: 2 * _GROWTH]

    def _features_of(self, plan: Plan) -> list[int]:
        settings: dict[str, list[tuple[str, str]]] = {}
        for name, value in plan.values.items():
            settings.setdefault(KnobName.of(name).place, []).append((name, repr(value)))
        found = [self._feature((), _LEVEL), *(self._feature(edge, _EDGE) for edge in plan.edges)]
        for one in settings.values():
            found += [self._feature(each, _KNOB) for each in one]
            if len(one) > 1:
                found.append(self._feature(tuple(one), _SETTING))
        return found

    def _feature(self, name: Hashable, deviation: float) -> int:
        if name not in self._features:
            self._deviations.append(deviation)
        return self._features.setdefault(name, len(self._features))

    def shares(self, rates: GateRates) -> Floats:
        """(plans, width): on which share of the tasks each plan is expected to use each of its items."""
        if not rates.gated:
            return np.ones(self.items.shape)
        for plan in self.plans[len(self._route_of) :]:
            self._route_of.append(self._routes.setdefault(rates.route(plan), len(self._routes)))
        known = [rates.shares(route) for route in self._routes]
        table = np.array([[share.get(where, 1.0) for where in self._open] for share in known])
        return np.asarray(table[np.array(self._route_of)[:, None], self.places])

    def _uses_of(self, plan: Plan) -> list[tuple[int, int, int]]:
        """(number of the item, draws, number of what must be open for it); item 0 is none."""
        found = []
        for use in self._reuse.uses(plan):
            for trait in use.item.traits:
                self._traits.setdefault(trait, len(self._traits))
            where = self._open.setdefault(use.place, len(self._open))
            found.append((self._items.setdefault(use.item, len(self._items) + 1), use.draws, where))
        return found

    def _arrange(self) -> None:
        width = max((len(uses) for _, uses in self._rows), default=0)
        self.features: Floats = np.zeros((len(self.plans), len(self._features)))
        """(plans, features), scaled by the prior deviation of each."""
        self.items: Ints = np.zeros((len(self.plans), max(width, 1)), np.intp)
        """(plans, width), numbers of items; 0 is none."""
        self.draws: Ints = np.zeros_like(self.items)
        """(plans, width)."""
        self.places: Ints = np.zeros_like(self.items)
        """(plans, width), numbers of what must be open for each; 0 is none."""
        for row, (features, uses) in enumerate(self._rows):
            self.features[row, features] = [self._deviations[feature] for feature in features]
            for place, (item, draws, where) in enumerate(uses):
                self.items[row, place], self.draws[row, place], self.places[row, place] = item, draws, where
        self.traits: Floats = np.zeros((len(self._items) + 1, len(self._traits)))
        """(items + 1, traits), 0 or 1."""
        for thing, number in self._items.items():
            self.traits[number, [self._traits[trait] for trait in thing.traits]] = 1.0


def covering(space: Space, most: int, generator: random.Random) -> list[Plan]:
    """Few plans in which every node runs and every value of every knob is there once.

    Each node appears in the smallest part of the graph that can run with it, so that what a node does and costs is
    seen by itself; the values of its knobs are put together in random order (a Latin square's rows). The space's
    default comes first. Where there is room for some of them only, those with the fewest nodes come first, because a
    graph must not be searched to less effect than a part of it.
    """
    default = space.default()
    plans: dict[Plan, tuple[int, int]] = {default: (len(space.active(default.edges).names), 0)}
    """With their nodes and the turn in which they were made."""
    waiting = set(space.graph.nodes)
    smallest = sorted(space.arrangements, key=lambda active: (len(active.names), active.optional))
    for active in smallest:
        if not waiting & active.names:
            continue
        edges = active.optional
        knobs: dict[str, Sequence[Any]] = {name: space.knobs[name] for name in space.plan(edges=edges).values}
        orders = {name: generator.sample(range(len(values)), len(values)) for name, values in knobs.items()}
        for turn in range(max(map(len, knobs.values()), default=1)):
            chosen = {name: values[orders[name][turn % len(values)]] for name, values in knobs.items()}
            try:
                made = [space.plan(chosen, edges)]
            except PlanError:  # Each value is tried all the same, with others beside it.
                made = [space.nearest(chosen, edges, keep=name) for name in chosen]
            for plan in made:
                plans.setdefault(plan, (len(active.names), turn))
        waiting -= active.names
    return list(plans) if len(plans) <= most else sorted(plans, key=plans.__getitem__)[: max(1, most)]
