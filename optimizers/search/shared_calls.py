"""Which calls plans share: what has been paid for one plan and need not be paid again for another."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from ...graphs.gate import GATE
from ...graphs.knob_name import FORWARD, KnobName
from ...graphs.plan import Plan
from ...graphs.space import Space
from ...nodes.knob import options
from ...records.message import Forward

__all__ = ["Item", "SharedCalls", "Use", "thresholds_apart"]


@dataclass(frozen=True, slots=True)
class Item:
    """A node at certain settings, those of everything upstream included: what decides its requests."""

    node: str
    settings: frozenset[tuple[str, str]]
    """(knob or edge, value) of the node and of all that it can be reached from."""
    traits: tuple[Hashable, ...]
    """The node and its own settings, one by one: what items of one node have in common."""


@dataclass(frozen=True, slots=True)
class Use:
    """How much a plan uses of an item."""

    item: Item
    draws: int
    """The first so many samples of it; requests are made one by one, so five samples contain three."""
    place: str
    """What must be open for it: the node, or where that asks of each node before it by itself the edge `a->b`."""


@dataclass(frozen=True, slots=True)
class _Calls:
    """What a node calls at some settings."""

    draws: int = 1
    counted: str = ""
    """The knob that says how many draws there are, where it says nothing else of the requests."""


class SharedCalls:
    """Takes plans of a space apart into the calls that they share with others.

    Two plans that agree on a node and on everything upstream of it send the same requests there, and what is sent
    twice is paid once. A node that makes no calls at its settings, such as a vote, is no part of it. A gate that says
    only whether a node asks, and not what, makes no difference to its calls: plans with several thresholds share them.

    Args:
        space: that the plans belong to.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self._known: dict[tuple[str, str], _Calls | None] = {}

    def uses(self, plan: Plan) -> tuple[Use, ...]:
        """What a run of the plan calls, one entry for each node that makes calls."""
        settings = [(name, KnobName.of(name).reader, repr(value)) for name, value in plan.values.items()]
        settings += [(edge, edge.partition("->")[2], "on") for edge in plan.edges]
        found = []
        for node in self._space.graph.nodes:
            if node in self._space.active(plan.edges).names:
                found += self._uses(node, plan, settings)
        return tuple(found)

    def _uses(self, node: str, plan: Plan, settings: list[tuple[str, str, str]]) -> list[Use]:
        calls = self._calls(node, plan)
        if calls is None:
            return []
        apart = thresholds_apart(self._space, plan, node)
        settings = [setting for setting in settings if setting[0] != calls.counted]
        found = []
        for source in self._sources(node, plan):
            # What is asked of one source by itself hangs on its gate only where it comes to whether it is asked.
            own = {str(KnobName(f"{source}->{node}", GATE))} if source != node else apart
            told = [setting for setting in settings if setting[0] not in own]
            upstream = self._space.graph.upstream[source]
            if source == node:
                mine = [(name, value) for name, reader, value in told if reader == node]
            else:
                places = (node, f"{source}->{node}")
                mine = [(name, value) for name, _, value in told if KnobName.of(name).place in places]
            before = [(name, value) for name, reader, value in told if reader in upstream]
            item = Item(node, frozenset([*mine, *before]), ((node, source), *mine))
            found.append(Use(item, calls.draws, node if source == node else f"{source}->{node}"))
        return found

    def _sources(self, node: str, plan: Plan) -> tuple[str, ...]:
        """What requests are made from: the node itself, or each node before it where it asks of these one by one."""
        graph = self._space.graph
        sources = self._space.active(plan.edges).sources[node]
        return sources if sources and graph.kinds[graph.nodes[node].kind].asks_per_source else (node,)

    def _calls(self, node: str, plan: Plan) -> _Calls | None:
        """What a node calls under a plan; None where it calls nothing."""
        key = (node, repr(plan.settings(node)))
        if key not in self._known:
            pinned = self._space.pinned(plan, node)
            kind = self._space.graph.kinds[pinned.kind]
            draws = kind.draws(pinned)
            if not kind.called_by(pinned):
                self._known[key] = None
            elif draws is not None and isinstance(draws.number, int):
                self._known[key] = _Calls(draws.number, str(KnobName(node, draws.knob)))
            else:
                self._known[key] = _Calls()
        return self._known[key]


def thresholds_apart(space: Space, plan: Plan, node: str) -> frozenset[str]:
    """The thresholds that say only on which tasks a node asks, and not what it asks there, as names of knobs.

    They are those before a node that reads one node, or nothing over the gated edge; and so on backwards for as long as
    a node reads one other. In a loop a gate also decides what later rounds are told, so none there is among them.
    """
    active = space.active(plan.edges)
    edges = {edge.name: edge for edge in active.edges}
    found: set[str] = set()
    while node not in active.body_of:
        sources, entry = active.sources[node], node in active.blueprint.entries
        for source in sources:
            edge = edges[f"{source}->{node}"]
            forward = plan.values.get(str(KnobName(edge.name, FORWARD)), options(edge.forward)[0])
            if edge.gate is not None and (forward == Forward.NONE or (len(sources) == 1 and not entry)):
                found.add(str(KnobName(edge.name, GATE)))
        if len(sources) != 1 or entry:
            break
        (node,) = sources
    return frozenset(found)
