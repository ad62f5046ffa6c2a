"""How often the gates of a plan opened, and what runs scored and cost on either side."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from ...budgets.cap import in_unit
from ...graphs.resolved import ResolvedPlan
from ...records.rows import RunRow, SpanRow, Unit
from ..finding import Finding

__all__ = ["GateReport", "gate_openings"]


class GateReport(Finding):
    """A gate of a plan, over the runs in which it was read.

    The two sides are different questions, so their difference is not what the gate brings.
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


def gate_openings(
    resolved: ResolvedPlan, runs: Iterable[RunRow], spans: Callable[[str], Iterable[SpanRow]], unit: Unit
) -> tuple[GateReport, ...]:
    """Reads the gates of a plan off the traces of its runs.

    Args:
        resolved: the plan over its graph.
        runs: of the plan.
        spans: from the id of a run to its spans, in the order in which they ended.
        unit: of the costs.
    """
    gates = {(source, name): gate for name, step in resolved.steps.items() for source, gate in step.gates.items()}
    if not gates:
        return ()
    read: dict[tuple[str, str], list[tuple[bool, float | None, float]]] = {edge: [] for edge in gates}
    for run in runs:
        for edge, opened in _opened(spans(run.run_id)).items():
            read[edge].append((opened, run.score, in_unit(run.charged, unit)))
    return tuple(
        _report(f"{source}->{target}", gate.signal, gate.says, read[source, target])
        for (source, target), gate in gates.items()
        if read[source, target]
    )


def _opened(spans: Iterable[SpanRow]) -> Mapping[tuple[str, str], bool]:
    """By edge, whether it was open when it was read last."""
    found: dict[tuple[str, str], bool] = {}
    for span in spans:
        for event in json.loads(span.events):
            if event.get("event") == "gate":
                found[event["source"], span.node] = event["open"]
    return found


def _report(edge: str, signal: str, opens: str, read: list[tuple[bool, float | None, float]]) -> GateReport:
    opened, shut = ([one for one in read if one[0] is side] for side in (True, False))
    return GateReport(
        edge=edge,
        signal=signal,
        opens=opens,
        runs=len(read),
        opened=len(opened),
        score_open=_mean([score for _, score, _ in opened]),
        score_shut=_mean([score for _, score, _ in shut]),
        cost_open=_mean([cost for *_, cost in opened]),
        cost_shut=_mean([cost for *_, cost in shut]),
    )


def _mean(values: list[float | None] | list[float]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
