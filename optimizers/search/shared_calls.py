"""Which calls plans share: what has been paid for one plan and need not be paid again for another."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from ...graphs.knob_name import KnobName
from ...graphs.plan import Plan
from ...graphs.space import Space

__all__ = ["Item", "SharedCalls", "Use"]


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


@dataclass(frozen=True, slots=True)
class _Calls:
    """What a node calls at some settings."""

    draws: int = 1
    counted: str = ""
    """The knob that says how many draws there are, where it says nothing else of the requests."""


class SharedCalls:
    """Takes plans of a space apart into the calls that they share with others.

    Two plans that agree on a node and on everything upstream of it send the same requests there, and what is sent
    twice is paid once. A node that makes no calls at its settings, such as a vote, is no part of it.

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
        told = [setting for setting in settings if setting[0] != calls.counted]
        found = []
        for source in self._sources(node, plan):
            upstream = self._space.graph.upstream[source]
            if source == node:
                mine = [(name, value) for name, reader, value in told if reader == node]
            else:
                places = (node, f"{source}->{node}")
                mine = [(name, value) for name, _, value in told if KnobName.of(name).place in places]
            before = [(name, value) for name, reader, value in told if reader in upstream]
            found.append(Use(Item(node, frozenset([*mine, *before]), ((node, source), *mine)), calls.draws))
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
