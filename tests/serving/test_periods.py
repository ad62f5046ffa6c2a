from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as some

from apportion.serving.periods import PERIODS, Period, Window, minute_of, window_of


def at(time: str) -> float:
    return datetime.fromisoformat(time).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("period", "name", "ends"),
    [
        ("hour", "2024-12-31T23", datetime(2025, 1, 1, tzinfo=UTC)),
        ("day", "2024-12-31", datetime(2025, 1, 1, tzinfo=UTC)),
        ("month", "2024-12", datetime(2025, 1, 1, tzinfo=UTC)),
        ("none", "all", None),
    ],
)
def test_the_last_second_of_a_year(period: Period, name: str, ends: datetime | None) -> None:
    assert window_of(period, at("2024-12-31T23:59:59")) == Window(name, ends)


@given(some.sampled_from(PERIODS), some.integers(0, 4_000_000_000))
def test_windows_follow_each_other(period: Period, seconds: int) -> None:
    window = window_of(period, seconds)
    if window.ends is None:
        return
    ends = window.ends.timestamp()
    assert ends > seconds
    assert window_of(period, ends - 1) == window
    assert window_of(period, ends).name > window.name


def test_minutes() -> None:
    assert minute_of(at("2024-02-29T12:30:00")) == ("2024-02-29T12:30", 60)
    assert minute_of(at("2024-02-29T12:30:59")) == ("2024-02-29T12:30", 1)
