"""How often the gates of a plan opened, what runs came to on either side, and what each gate brought."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from ...graphs.gate import PinnedGate
from ...graphs.resolved import ResolvedPlan
from ..bootstrap import Interval
from ..finding import Finding
from ..search.measurement import Measurement, Outcome
from .gate_twins import twin_differences

__all__ = ["GateReport", "TwinRuns", "gate_openings"]

TwinRuns = tuple[Measurement | None, Measurement | None]
"""What the always open and the always shut twin of a gated plan came to; None where one did not run."""


class GateReport(Finding):
    """A gate of a plan, over the runs in which it was read.

    The two sides are different questions, so their difference is not what the gate brings. That is told from its twins:
    the plan with the gate always open, and with it always shut, on the same questions with common draws.
    """

    edge: str
    signal: str
    opens: str
    """Such as "below 0.8", "always", or "where told" for signals without a threshold."""
    runs: int
    """In which it was read; in a loop, in its last round."""
    opened: int
    score_open: float | None
    """Mean score of the runs in which it was open; None where it never was, or nothing was scored."""
    score_shut: float | None
    cost_open: float | None
    """Mean charged, in the unit of the cap."""
    cost_shut: float | None
    brought: Interval | None = None
    """The plan's score less that of the always shut twin; None where that did not run."""
    saved: Interval | None = None
    """The cost of the always open twin less the plan's; None where that did not run."""
    lost: Interval | None = None
    """The score of the always open twin less the plan's; None where that did not run."""
    n: int = 0
    """On how many questions the plan and its twins ran."""
    untold: str = ""
    """Why something is not told of the twins; empty where all is."""


def gate_openings(
    resolved: ResolvedPlan,
    measured: Measurement,
    twins: Mapping[str, TwinRuns] | None = None,
    untold: Mapping[str, str] | None = None,
    *,
    seed: int = 0,
) -> tuple[GateReport, ...]:
    """Reads the gates of a plan off its runs.

    Args:
        resolved: the plan over its graph.
        measured: its runs.
        twins: by edge, the runs of its twins.
        untold: by edge, why a twin did not run.
        seed: of the intervals.
    """
    twins, untold = twins or {}, untold or {}
    gates = {f"{source}->{name}": gate for name, step in resolved.steps.items() for source, gate in step.gates.items()}
    found = []
    for edge, gate in gates.items():
        read = [
            (outcome, opened) for outcome in measured.outcomes if (opened := _opened(outcome, edge, gate)) is not None
        ]
        if read:
            found.append(_report(edge, gate, read, measured, twins.get(edge, (None, None)), untold.get(edge, ""), seed))
    return tuple(found)


def _opened(outcome: Outcome, edge: str, gate: PinnedGate) -> bool | None:
    """Whether it was open when it was read last; None where it was not read."""
    values = [reading.value for reading in outcome.gates if reading.edge == edge]
    return gate.opens(values[-1]) if values else None


def _report(
    edge: str,
    gate: PinnedGate,
    read: list[tuple[Outcome, bool]],
    measured: Measurement,
    twins: TwinRuns,
    untold: str,
    seed: int,
) -> GateReport:
    opened, shut = ([outcome for outcome, at in read if at is side] for side in (True, False))
    against = twin_differences(measured, *twins, seed=seed)
    return GateReport(
        edge=edge,
        signal=gate.signal,
        opens=gate.says,
        runs=len(read),
        opened=len(opened),
        score_open=_mean(outcome.score for outcome in opened),
        score_shut=_mean(outcome.score for outcome in shut),
        cost_open=_mean(outcome.cost for outcome in opened),
        cost_shut=_mean(outcome.cost for outcome in shut),
        brought=against.brought,
        saved=against.saved,
        lost=against.lost,
        n=against.n,
        untold=untold,
    )


def _mean(values: Iterable[float]) -> float | None:
    known = list(values)
    return float(np.mean(known)) if known else None
