from __future__ import annotations

import pytest

from apportion.cli.numbers import charge, number
from apportion.records import Amount


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (7, "7"),
        (41.0, "41"),
        (41.83, "41.8"),
        (0.004217, "0.00422"),
        (99.96, "100"),
        (123.6, "124"),
        (320_000, "320,000"),
        (-2.55, "-2.55"),
        (-1234.5, "-1,234"),
    ],
)
def test_a_quantity_as_people_read_it(value: float, text: str) -> None:
    assert number(value) == text


def test_a_charge_names_dollars_where_there_are_prices() -> None:
    assert charge(Amount(1234)) == "1,234 tokens"
    assert charge(Amount(1234, 0, 2_500_000)) == "1,234 tokens, 0.0025 USD"
