"""Which edges of a run are open: what its gates read, and which nodes did not run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from typing import Any, TypeAlias

from ..records.message import Message
from ..records.rows import SpanRow
from ..records.status import Status
from .banner import Banner
from .gate import GateReading
from .resolved import Step
from .state import channel

__all__ = ["GATE_SHUT", "Gating", "Readings", "traced_readings"]

Readings: TypeAlias = Mapping[str, Mapping[str, Any]]
"""By source, what a gate read: its signal, the value, and whether it is open."""

_EVENT = "gate"
_KEYS = frozenset({"event", "source", "signal", "value", "open"})
"""Of such an event; a node of the user's may record one of the same name."""
GATE_SHUT = "gate"
"""The reason of a node that did not run because every edge to it was shut."""


class Gating:
    """The gates of one run."""

    def __init__(self) -> None:
        self._silent: set[str] = set()
        """The nodes that did not run when it was their turn last: nothing comes from them."""
        self._traced: dict[tuple[str, int], Readings] = {}
        """By node and round. What is read for the parts of a question is read once for all."""

    @property
    def all_read(self) -> tuple[GateReading, ...]:
        """What was read so far, by edge, in the order of the rounds."""
        return _in_order(self._traced)

    def read(self, step: Step, state: Mapping[str, Any], banner: Banner | None, round_: int) -> Readings:
        """What the gates before a node read and whether they open, by source, for the trace too.

        A node that did not run said nothing that could be read: its gate is shut, and is not among them.
        """
        found: dict[str, dict[str, Any]] = {}
        for source, gate in step.gates.items():
            if source in self._silent:
                continue
            share = 1.0 if banner is None else banner.share_after(source, round_)
            value = gate.read(state[channel(source)], share)
            known = value if isinstance(value, bool) or isfinite(value) else None
            found[source] = {"signal": gate.signal, "value": known, "open": gate.opens(value)}
        return found

    def passing(self, step: Step, gates: Readings) -> frozenset[str]:
        """The sources from which something comes."""
        return frozenset(
            source
            for source, _ in step.sources
            if source not in self._silent and (source not in gates or gates[source]["open"])
        )

    def runs(self, step: Step, passing: frozenset[str]) -> bool:
        """Notes whether a node runs: where something comes in, or where it needs nothing."""
        runs = bool(passing) or step.entry
        (self._silent.discard if runs else self._silent.add)(step.name)
        return runs

    @staticmethod
    def message() -> Message:
        """What a node says that does not run; those after it wait for it all the same."""
        return Message(status=Status.SKIPPED, reason=GATE_SHUT)

    def events(self, node: str, round_: int, gates: Readings) -> str:
        """For the trace of a node that does not run."""
        self._traced[node, round_] = gates
        return json.dumps([{"event": _EVENT, "source": source, **gate} for source, gate in gates.items()])

    def trace(self, node: str, round_: int, gates: Readings, record: Callable[..., None]) -> None:
        """Notes what was read before a node that runs, in its own trace too."""
        self._traced[node, round_] = gates
        for source, gate in gates.items():
            record(_EVENT, source=source, **gate)


def traced_readings(spans: Iterable[SpanRow]) -> tuple[GateReading, ...]:
    """What the gates of a run read, from its trace: as `Gating.all_read` of that run.

    Args:
        spans: of one run, in the order in which they ended.
    """
    found: dict[tuple[str, int], Readings] = {}
    for span in spans:
        events = [event for event in json.loads(span.events) if event.keys() >= _KEYS and event["event"] == _EVENT]
        # The run's own events come first.
        found.setdefault((span.node, span.round), {str(event["source"]): event for event in reversed(events)})
    return _in_order(found)


def _in_order(traced: Mapping[tuple[str, int], Readings]) -> tuple[GateReading, ...]:
    """By edge, then by round."""
    found = [
        (f"{source}->{node}", round_, gate["value"])
        for (node, round_), gates in traced.items()
        for source, gate in gates.items()
    ]
    return tuple(GateReading(edge, value) for edge, _, value in sorted(found, key=lambda each: each[:2]))
