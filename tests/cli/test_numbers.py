from __future__ import annotations

from pathlib import Path

import pytest

from apportion.cli.numbers import charge, clients, number
from apportion.records import Amount
from apportion.serving.keys import Keys, new_key


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


def test_a_server_says_whom_it_answers_and_under_what_cap(tmp_path: Path) -> None:
    (tmp_path / "keys.toml").write_text(new_key("ann")[1])
    keys = Keys.read(tmp_path / "keys.toml", ["m"])
    assert clients(keys, 1e6, "tokens", "day") == "1 key: 1,000,000 tokens each day"
    assert clients(None, None, "usd", "none") == "anybody on this machine: no cap"
