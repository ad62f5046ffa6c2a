from __future__ import annotations

import random
import sys
import time

import pytest

from benchmarks.chaos import Tally, try_damage, try_deletion, try_kills

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="programs are killed by signals")


def test_kills_and_faults_lose_no_answer_and_pay_none_twice() -> None:
    tally = Tally()
    try_kills(tally, random.Random(11), time.monotonic() + 60, kills=2, tasks=10)
    assert {name: count for name, count in tally.broken.items() if count} == {}
    assert "repeated payments" in tally.broken
    assert tally.requests >= 30
    assert 0 < tally.billed <= tally.charged + tally.lost <= tally.cap


@pytest.mark.parametrize("attempt", [try_damage, try_deletion])
def test_nothing_is_sent_that_cannot_be_booked(attempt: object) -> None:
    tally = Tally()
    assert callable(attempt)
    attempt(tally, random.Random(11), tasks=10)
    assert {name: count for name, count in tally.broken.items() if count} == {}
    assert tally.broken
