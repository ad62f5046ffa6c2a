"""How often gates open, from runs so far: on which share of the questions each node of a plan is expected to run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ...graphs.gate import GATE, Gate
from ...graphs.knob_name import KnobName
from ...graphs.plan import Plan
from ...graphs.space import Space
from .measurement import Measurement, Outcome

__all__ = ["GateRates", "Route", "Way"]

_WORTH = 4.0
"""How many runs what is known of more runs weighs as much as (additive smoothing towards the level above)."""

Settings = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Way:
    """An edge that a message may pass, under a plan."""

    source: str
    gate: tuple[str, Settings, float | None] | None = None
    """Its edge, the settings that decide what the gate reads, and its threshold; None where nothing is in the way."""


Route = tuple[tuple[str, tuple[Way, ...]], ...]
"""The nodes of a plan in topological order, and by which ways something may come to each; none: it always runs."""


class GateRates:
    """Counts what the gates of measured plans read, and expects of other plans what follows from it.

    A value that was read says of every threshold whether the gate would have opened, so one plan tells of all
    thresholds. A rate is that of the family at the settings before the gate, drawn to the rate at these settings over
    all families, that to the rate at all settings, and that to 1: a gate of which nothing is known counts as open.
    What different gates before one node do is taken as independent. Counts grow as runs are noted; nothing is read
    twice.

    Args:
        space: of the plans.
        families: of the tasks in the common order, also of those that nothing has met; empty where all are one family.
    """

    def __init__(self, space: Space, families: Sequence[str] = ()) -> None:
        self._space = space
        self._families = tuple(families)
        mix = Counter(self._families or ("",))
        self._mix = {family: count / mix.total() for family, count in sorted(mix.items())}
        self._gates: dict[str, Gate] = {e.name: e.gate for e in space.graph.edges if e.gate is not None}
        self._opened: Counter[tuple[object, ...]] = Counter()
        self._read: Counter[tuple[object, ...]] = Counter()
        self._routes: dict[str, Route] = {}
        self._shares: dict[Route, Mapping[str, float]] = {}

    @property
    def gated(self) -> bool:
        """Whether there is a gate to know anything of."""
        return bool(self._gates)

    def knowing(self, measured: Iterable[Measurement]) -> GateRates:
        """Notes all of some measurements on the first tasks of the common order, and returns itself."""
        for each in measured:
            self.note(each.plan, each.outcomes)
        return self

    def note(self, plan: Plan, outcomes: Sequence[Outcome], start: int = 0) -> None:
        """Counts what the gates of a plan read.

        Args:
            plan: that ran.
            outcomes: of further tasks.
            start: the place of the first of them in the common order.
        """
        if not self.gated:
            return
        self._shares.clear()
        settings = {edge: self._settings(plan, edge) for edge in self._gates}
        for place, outcome in enumerate(outcomes, start):
            family = self._families[place] if place < len(self._families) else ""
            for reading in outcome.gates:
                gate = self._gates.get(reading.edge)
                if gate is not None:
                    self._count(reading.edge, settings[reading.edge], family, gate, reading.value)

    def route(self, plan: Plan) -> Route:
        """The ways of a plan; plans with equal ones have equal shares."""
        if plan.hash not in self._routes:
            active = self._space.active(plan.edges)
            gates = {edge.name for edge in active.edges if edge.gate is not None}
            self._routes[plan.hash] = tuple(
                (name, () if name in active.blueprint.entries else self._ways(plan, name, active.sources[name], gates))
                for name in active.order
            )
        return self._routes[plan.hash]

    def shares(self, route: Route) -> Mapping[str, float]:
        """By node, and by gated edge `a->b`: on which share of the questions it runs, or lets something through."""
        if route not in self._shares:
            total: dict[str, float] = {}
            for family, weight in self._mix.items():
                for name, share in self._in_family(route, family).items():
                    total[name] = total.get(name, 0.0) + weight * share
            self._shares[route] = {name: min(1.0, share) for name, share in total.items()}
        return self._shares[route]

    def _ways(self, plan: Plan, name: str, sources: Iterable[str], gates: set[str]) -> tuple[Way, ...]:
        found = []
        for source in sources:
            edge = f"{source}->{name}"
            gate = None
            if edge in gates:
                values = self._gates[edge].thresholds
                chosen = plan.values.get(str(KnobName(edge, GATE)), values[0] if values else None)
                gate = (edge, self._settings(plan, edge), chosen)
            found.append(Way(source, gate))
        return tuple(found)

    def _in_family(self, route: Route, family: str) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, ways in route:
            surely, shut = 0.0, 1.0
            for way in ways:
                passes = found[way.source]
                if way.gate is None:
                    surely = max(surely, passes)
                else:
                    passes *= self._rate(*way.gate, family)
                    found[way.gate[0]] = passes
                    shut *= 1 - passes
            found[name] = 1 - (1 - surely) * shut if ways else 1.0
        return found

    def _rate(self, edge: str, settings: Settings, threshold: float | None, family: str) -> float:
        if threshold is None and self._gates[edge].thresholds:
            return 1.0
        rate = 1.0
        for key in _levels(edge, settings, threshold, family):
            if read := self._read[key]:
                rate = (self._opened[key] + _WORTH * rate) / (read + _WORTH)
        return rate

    def _count(self, edge: str, settings: Settings, family: str, gate: Gate, value: float | bool | None) -> None:
        for threshold in gate.thresholds or (None,):
            if threshold is None and gate.thresholds:
                continue
            opened = gate.pinned(threshold).opens(value)
            for key in _levels(edge, settings, threshold, family):
                self._read[key] += 1
                self._opened[key] += opened

    def _settings(self, plan: Plan, edge: str) -> Settings:
        """What decides what the gate reads: the knobs and edges of its source and of all before that."""
        around = self._space.graph.upstream[edge.partition("->")[0]]
        knobs = [(name, repr(value)) for name, value in plan.values.items() if KnobName.of(name).reader in around]
        return tuple(knobs + [(each, "on") for each in plan.edges if each.partition("->")[2] in around])


def _levels(
    edge: str, settings: Settings, threshold: float | None, family: str
) -> tuple[tuple[object, ...], tuple[object, ...], tuple[object, ...]]:
    """From what most runs tell of to what fewest do."""
    return (edge, threshold), (edge, threshold, settings), (edge, threshold, settings, family)
