from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from apportion.budgets.cap import Cap, in_unit, smallest
from apportion.errors import UsageError
from apportion.records import Amount, Limit


def test_a_cap_must_cap_something() -> None:
    with pytest.raises(ValidationError, match="total=, per_task=, or both"):
        Cap()


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_a_cap_is_a_positive_finite_number(value: float) -> None:
    with pytest.raises(ValidationError):
        Cap(total=value)


def test_a_batch_gets_its_share_rounded_down() -> None:
    assert Cap(total=100).batch_limit(1, 3) == Limit("tokens", 33)
    assert Cap(total=0.5, unit="usd").batch_limit(30, 30) == Limit("usd", 500_000_000)
    assert Cap(per_task=7).batch_limit(1, 3) is None


def test_a_task_gets_the_cap_per_task() -> None:
    assert Cap(per_task=7, unit="weighted").task_limit() == Limit("weighted", 7_000_000)
    assert Cap(total=7).task_limit() is None


def test_what_a_task_may_charge_on_average_is_the_tighter_of_the_two() -> None:
    assert Cap(total=1000, per_task=300).mean_per_task(10) == 100
    assert Cap(total=1000, per_task=30).mean_per_task(10) == 30


def test_units_round_trip() -> None:
    amount = Amount(tokens=3, weighted=smallest(1.5, "weighted"), usd=smallest(0.25, "usd"))
    assert (in_unit(amount, "tokens"), in_unit(amount, "weighted"), in_unit(amount, "usd")) == (3, 1.5, 0.25)


@pytest.mark.parametrize(
    "cap", [{"total": 1e19}, {"per_task": 1e13, "unit": "weighted"}, {"total": 1e10, "unit": "usd"}]
)
def test_a_limit_that_no_database_holds_is_refused(cap: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="the largest limit is"):
        Cap(**cap)
