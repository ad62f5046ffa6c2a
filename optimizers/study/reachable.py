"""Whether anything has been answered: a search on nothing but failures only spends."""

from __future__ import annotations

from collections.abc import Iterable

from ...errors import UsageError
from ...records.protocols import StudyStore
from ...records.status import Status
from ..search.measurement import Measurement

__all__ = ["check_reachable"]

_OF_A_PLACE = frozenset({Status.PROVIDER_ERROR, Status.TIMEOUT, Status.TOOL_ERROR})


def check_reachable(measured: Iterable[Measurement], store: StudyStore) -> None:
    """Stops a study in which nothing has answered anything, before it spends more on that.

    Args:
        measured: so far.
        store: has the newest reason.

    Raises:
        UsageError: no run was answered, for reasons that are no plan's.
    """
    statuses = {outcome.status for measurement in measured for outcome in measurement.outcomes}
    if not statuses <= _OF_A_PLACE:
        return
    tools = Status.TOOL_ERROR in statuses
    reasons = [span.reason for run in store.runs(limit=1) for span in store.spans(run.run_id) if span.reason]
    raise UsageError(
        f"{'no task was answered' if tools else 'no model answered a single call'}: "
        f"{reasons[0] if reasons else 'no reason was given'}; mend the {'function' if tools else 'endpoint'} and "
        "start again: failed calls are tried again, and nothing else is paid for twice"
    )
