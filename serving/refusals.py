"""What clients are told of calls that fail."""

from __future__ import annotations

import math

from ..errors import ApportionError, BudgetBreach, CallFailed, StoreError
from ..records.status import Status
from ..web.refusal import Refusal

__all__ = ["refusal_of"]


def refusal_of(error: ApportionError) -> Refusal:
    """The refusal that stands for an error of a metered call, but for a cap that is reached."""
    if isinstance(error, CallFailed):
        return _failed(error)
    if isinstance(error, BudgetBreach):
        message = f"Model '{error.model}' charged more than was reserved for a call, and is not called any more."
        return Refusal(502, message, code="model_barred", kind="server_error", final=True)
    if isinstance(error, StoreError):
        message = "The books of this server cannot be written, so no call is sent; its operator has to look after them."
        return Refusal(503, message, code="books_unavailable", kind="server_error", final=True)
    return Refusal(400, str(error), code="invalid_value")


def _failed(failure: CallFailed) -> Refusal:
    if failure.status is Status.FILTERED:
        return Refusal(400, failure.reason, code="content_filter")
    if failure.status is Status.REFUSED:
        return Refusal(400, failure.reason, code="invalid_request")
    if failure.status is Status.TIMEOUT:
        return Refusal(504, failure.reason, code="upstream_timeout", kind="server_error", final=True)
    if failure.retryable and not failure.billed:  # it was busy, or away, through all attempts
        wait = max(1, math.ceil(failure.retry_after or 1.0))
        return Refusal(503, failure.reason, code="upstream_unavailable", kind="server_error", retry_after=wait)
    return Refusal(502, failure.reason, code="upstream_failed", kind="server_error", final=True)
