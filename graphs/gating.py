"""Which edges of a run are open: what its gates read, and which nodes did not run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any, TypeAlias

from ..records.message import Message
from ..records.status import Status
from .banner import Banner
from .resolved import Step
from .state import channel

__all__ = ["GATE_SHUT", "Gating", "Readings"]

Readings: TypeAlias = Mapping[str, Mapping[str, Any]]
"""By source, what a gate read: its signal, the value, and whether it is open."""

GATE_SHUT = "gate"
"""The reason of a node that did not run because every edge to it was shut."""


class Gating:
    """The gates of one run."""

    def __init__(self) -> None:
        self._silent: set[str] = set()
        """The nodes that did not run when it was their turn last: nothing comes from them."""

    def read(self, step: Step, state: Mapping[str, Any], banner: Banner | None, round_: int) -> Readings:
        """What the gates before a node read and whether they open, by source, for the trace too."""
        found: dict[str, dict[str, Any]] = {}
        for source, gate in step.gates.items():
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

    @staticmethod
    def events(gates: Readings) -> str:
        """For the trace of a node that does not run."""
        return json.dumps([{"event": "gate", "source": source, **gate} for source, gate in gates.items()])
