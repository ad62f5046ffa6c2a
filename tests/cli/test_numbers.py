from __future__ import annotations

import pytest

from apportion.cli.numbers import number


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
