from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from apportion import Policy
from apportion.records import Status

POLICIES = Path(__file__).with_name("policies")


@pytest.mark.parametrize("name", sorted(path.stem for path in POLICIES.glob("*.json")))
def test_a_policy_of_an_older_version_answers(name: str, kept_study: ModuleType) -> None:
    policy = Policy.load(POLICIES / f"{name}.json", pool=kept_study.pool())
    assert policy.modules == ()
    assert (policy.name, policy.unit, len(policy.arms)) == ("joint_safe", "tokens", 3)
    assert policy.budget == pytest.approx(5_000 / 52)
    asked = [task for task in kept_study.tasks() if task.family == "hops"][:3]
    assert [policy.invoke(task.question).answer for task in asked] == [task.gold for task in asked]
    thrifty, lavish = (policy.dial(place).invoke("12+34=") for place in (0.25, 1.0))
    assert (thrifty.answer, thrifty.status) == (lavish.answer, lavish.status) == ("46", Status.OK)
    assert 0 < thrifty.charged.tokens < lavish.charged.tokens
