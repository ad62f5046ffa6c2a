"""Functions that failed in the runs of a plan: no reply tells of them, and other nodes may have answered."""

from __future__ import annotations

from collections import Counter

from ...graphs.gating import GATE_SHUT
from ...graphs.plan import Plan
from ...graphs.resolved import resolve
from ...graphs.space import Space
from ...records.protocols import StudyStore
from ...records.rows import SpanRow
from ...records.status import Status
from .report import FunctionReport

__all__ = ["failed_functions"]

_FAILURES = frozenset({Status.TOOL_ERROR, Status.TIMEOUT, Status.OVERSIZE})


def failed_functions(store: StudyStore, study_id: str, space: Space, plan: Plan) -> tuple[FunctionReport, ...]:
    """The nodes that call no model and failed on validation, in the order of the graph.

    What a gate kept from running is no execution.

    Args:
        store: has the books of the study.
        study_id: of the study.
        space: of its graph.
        plan: whose runs are looked at.
    """
    nodes = [name for name, step in resolve(space, plan).steps.items() if not step.models]
    if not nodes:
        return ()
    trials = [t for t in store.trials(study_id) if t.plan_hash == plan.hash and t.part == "validation"]
    spans: dict[str, list[SpanRow]] = {name: [] for name in nodes}
    for run in (run for trial in trials for run in store.runs(trial_id=trial.trial_id)):
        for span in store.spans(run.run_id):
            if span.node in spans and (span.status, span.reason) != (Status.SKIPPED, GATE_SHUT):
                spans[span.node].append(span)
    found = ((name, executed, [s for s in executed if s.status in _FAILURES]) for name, executed in spans.items())
    return tuple(_report(name, executed, failed) for name, executed, failed in found if failed)


def _report(name: str, executed: list[SpanRow], failed: list[SpanRow]) -> FunctionReport:
    statuses = Counter(span.status.value for span in failed)
    newest = failed[0]
    return FunctionReport(
        node=name,
        executions=len(executed),
        failed=len(failed),
        statuses=dict(statuses.most_common()),
        reason=newest.reason,
        run_id=newest.run_id,
    )
