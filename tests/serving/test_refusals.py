from __future__ import annotations

import pytest

from apportion.errors import ApportionError, BudgetBreach, CallFailed, StoreError, UsageError
from apportion.records.status import Status
from apportion.serving.refusals import refusal_of


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (CallFailed(Status.FILTERED, "no"), 400, "content_filter"),
        (CallFailed(Status.REFUSED, "no tools", billed=False), 400, "invalid_request"),
        (CallFailed(Status.TIMEOUT, "late"), 504, "upstream_timeout"),
        (CallFailed(Status.PROVIDER_ERROR, "500", retryable=True), 502, "upstream_failed"),
        (CallFailed(Status.PROVIDER_ERROR, "401", billed=False), 502, "upstream_failed"),
        (CallFailed(Status.PROVIDER_ERROR, "429", billed=False, retryable=True), 503, "upstream_unavailable"),
        (BudgetBreach("m", 1, 2), 502, "model_barred"),
        (StoreError("gone"), 503, "books_unavailable"),
        (UsageError("odd"), 400, "invalid_value"),
    ],
)
def test_every_error_has_a_status_and_a_code(error: ApportionError, status: int, code: str) -> None:
    refusal = refusal_of(error)
    assert (refusal.status, refusal.code) == (status, code)
    # Attempts were made as often as the card allows: a client that tries again only repeats them.
    assert refusal.final == (status >= 500 and refusal.retry_after is None)


def test_how_long_an_endpoint_asks_to_wait_is_passed_on() -> None:
    busy = CallFailed(Status.PROVIDER_ERROR, "429", billed=False, retryable=True, retry_after=7.2)
    assert refusal_of(busy).retry_after == 8
