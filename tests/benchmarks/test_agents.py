from __future__ import annotations

import random
import sys

import pytest

from benchmarks.agents import AgentTally, try_kills

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="programs are killed by signals")


@pytest.mark.parametrize("caps", [(12_000_000, 2_000), (400_000, 2_000), (12_000_000, 60)])
def test_a_cap_in_tokens_and_one_in_dollars_hold_for_agents_that_are_killed(caps: tuple[int, int]) -> None:
    tally = AgentTally()
    try_kills(tally, random.Random(11), caps, kills=1, tasks=16)
    assert {name: count for name, count in tally.broken.items() if count} == {}
    assert "billionths of a dollar beyond the cap" in tally.broken
    assert tally.requests >= 30
    assert tally.calls >= 10
    assert 0 < tally.billed <= tally.charged + tally.lost <= tally.cap
    assert 0 < tally.billed_usd <= tally.booked_usd <= tally.cap_usd
