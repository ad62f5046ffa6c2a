"""Whether anything has been answered, and judged: a search on nothing but failures only spends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...errors import UsageError
from ...graphs.judging import JUDGE
from ...records.protocols import StudyStore
from ...records.status import Status
from ..search.measurement import Measurement, Outcome

__all__ = ["check_reachable"]

_OF_A_PLACE = frozenset({Status.PROVIDER_ERROR, Status.TIMEOUT, Status.TOOL_ERROR})
_ANSWERS = 8
"""From so many answers on, not one of which has a verdict, the judge is at fault."""


def check_reachable(measured: Iterable[Measurement], store: StudyStore) -> None:
    """Stops a study in which nothing has answered anything, or its judge has judged nothing, before it spends more.

    Args:
        measured: so far.
        store: has the newest reason.

    Raises:
        UsageError: no run was answered, for reasons that are no plan's; or no answer has a verdict.
    """
    outcomes = [outcome for measurement in measured for outcome in measurement.outcomes]
    _check_judge(outcomes, store)
    statuses = {outcome.status for outcome in outcomes}
    if not statuses <= _OF_A_PLACE:
        return
    tools = Status.TOOL_ERROR in statuses
    reasons = [span.reason for run in store.runs(limit=1) for span in store.spans(run.run_id) if span.reason]
    raise UsageError(
        f"{'no task was answered' if tools else 'no model answered a single call'}: "
        f"{reasons[0] if reasons else 'no reason was given'}; mend the {'function' if tools else 'endpoint'} and "
        "start again: failed calls are tried again, and nothing else is paid for twice"
    )


def _check_judge(outcomes: Sequence[Outcome], store: StudyStore) -> None:
    answered = [outcome for outcome in outcomes if not outcome.status.failed]
    if len(answered) < _ANSWERS or not all(outcome.unscored for outcome in answered):
        return
    spans = (span for run in store.runs(limit=_ANSWERS) for span in store.spans(run.run_id))
    reason = next((span.reason for span in spans if span.kind == JUDGE and span.reason), "no reason was given")
    raise UsageError(
        f"the judge gave no verdict on any of {len(answered)} answers: {reason}; mend its endpoint, rubric, scale or "
        "max_output_tokens and start again: failed calls are tried again, and nothing else is paid for twice"
    )
