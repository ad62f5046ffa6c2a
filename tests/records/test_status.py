from __future__ import annotations

from apportion.records.status import Status


def test_only_ok_is_no_failure() -> None:
    assert [status for status in Status if not status.failed] == [Status.OK]


def test_the_values_are_those_in_databases_that_exist() -> None:
    written = {
        "ok", "skipped", "starved", "refused", "filtered", "parse_error", "unsat", "unknown", "timeout",
        "provider_error", "cancelled", "budget",
    }  # fmt: skip
    assert written <= {status.value for status in Status}
