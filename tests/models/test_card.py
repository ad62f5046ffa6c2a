from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from apportion.errors import UnknownName
from apportion.models.card import ModelCard
from apportion.records import Amount, Usage

COUNTS = st.integers(0, 10**7)
PRICES = st.integers(0, 10**6).map(lambda millionths: millionths / 1_000_000)


@given(COUNTS, COUNTS, PRICES, PRICES)
def test_dollars_are_rounded_up_to_billionths(read: int, written: int, price_in: float, price_out: float) -> None:
    card = ModelCard(name="m", input_usd_per_million=price_in, output_usd_per_million=price_out)
    exact = sum(
        count * Fraction(round(price * 1_000_000), 1_000_000)
        for count, price in ((read, price_in), (written, price_out))
    )
    billionths = card.amount(read, written).usd
    assert 0 <= billionths - exact * 1000 < 1


@given(st.lists(st.tuples(COUNTS, COUNTS), min_size=1, max_size=5), PRICES)
def test_a_sum_of_bounds_is_a_bound(parts: list[tuple[int, int]], price: float) -> None:
    card = ModelCard(name="m", weight=0.3, input_usd_per_million=price, output_usd_per_million=2 * price)
    together = card.amount(*(sum(counts) for counts in zip(*parts, strict=True)))
    assert not together.exceeds(sum((card.amount(*part) for part in parts), Amount()))


def test_tokens_weighted_tokens_and_dollars() -> None:
    card = ModelCard(name="m", weight=2.5, input_usd_per_million=0.4, output_usd_per_million=1.6)
    assert card.charge(Usage(1_000, 500)) == Amount(1_500, 3_750_000_000, 1_200_000)
    assert card.costs_money
    assert not ModelCard(name="m").costs_money


@pytest.mark.parametrize(
    "changed", [{"provider": "other"}, {"served_as": "other"}, {"revision": "2"}, {"dialect": "pocket"}]
)
def test_what_answers_is_in_the_fingerprint(changed: dict[str, str]) -> None:
    assert ModelCard(name="m", **changed).fingerprint != ModelCard(name="m").fingerprint  # type: ignore[arg-type]


def test_names_prices_and_limits_are_not() -> None:
    card = ModelCard(name="m", served_as="gpt")
    assert card.fingerprint == ModelCard(name="n", served_as="gpt", weight=3, attempts=1, concurrency=2).fingerprint
    assert ModelCard(name="gpt").fingerprint == card.fingerprint


def test_no_two_cards_share_a_fingerprint_by_where_a_field_ends() -> None:
    assert ModelCard(name="m", served_as="a", revision="b").fingerprint != (
        ModelCard(name="m", served_as="ab", revision="").fingerprint
    )


@pytest.mark.parametrize(
    ("card", "tokens"),
    [
        ({}, 64),
        ({"kind": "reasoning"}, 1024),
        ({"direct_output_tokens": 7}, 7),
        ({"kind": "reasoning", "max_output_tokens": 100}, 100),
    ],
)
def test_a_direct_answer_is_short(card: dict[str, object], tokens: int) -> None:
    assert ModelCard.model_validate({"name": "m", **card}).direct_output_cap == tokens


def test_efforts_come_from_tables_and_from_the_shorthand() -> None:
    tables = {"off": {"chat_template_kwargs": {"enable_thinking": False}, "prompt": "/no_think"}}
    card = ModelCard.model_validate({"name": "m", "reasoning_efforts": ["high", "low"], "efforts": tables})
    assert card.effort_names == ("off", "low", "high")
    assert [card.effort_place(name) for name in ("off", "low", "high", "other")] == [0, 2, 4, 0]
    low, off = card.effort("low"), card.effort("off")
    assert low is not None
    assert (low.fields, low.prompt) == ('{"reasoning_effort":"low"}', "")
    assert off is not None
    assert off.fields == '{"chat_template_kwargs":{"enable_thinking":false}}'
    with pytest.raises(UnknownName, match="unknown effort of model 'm' 'hihg'; did you mean 'high'"):
        card.effort("hihg")
    assert ModelCard(name="plain").effort("low") is None
    assert card.fingerprint == ModelCard(name="m").fingerprint, "what an effort means is in the request, not in it"
    assert ModelCard.model_validate_json(card.model_dump_json()) == card


@pytest.mark.parametrize(
    ("efforts", "text"),
    [
        ({"reasoning_efforts": ["low"], "efforts": {"low": {}}}, "in reasoning_efforts and in efforts"),
        ({"reasoning_efforts": [""]}, "must have a name"),
        ({"efforts": {"low": {"n": 3}}}, "'n' cannot be set"),
    ],
)
def test_efforts_that_make_no_sense(efforts: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        ModelCard.model_validate({"name": "m", **efforts})


def test_input_from_the_endpoints_cache_has_its_own_price_and_whole_tokens() -> None:
    card = ModelCard(
        name="m", input_usd_per_million=1.0, output_usd_per_million=2.0, cached_input_usd_per_million=0.1, weight=3.0
    )
    charged = card.charge(Usage(100, 10, cached_input_tokens=80))
    assert (charged.tokens, charged.weighted) == (110, 330 * 10**6)
    assert charged.usd == 20 * 1000 + 80 * 100 + 10 * 2000
    assert card.amount(100, 10).usd == 100 * 1000 + 10 * 2000  # a bound knows nothing of the cache
    assert card.charge(Usage(100, 10, cached_input_tokens=500)).usd == 100 * 100 + 10 * 2000
    free = ModelCard(name="m", input_usd_per_million=1.0, cached_input_usd_per_million=0.0)
    assert free.charge(Usage(100, 10, cached_input_tokens=100)).usd == 0
    plain = ModelCard(name="m", input_usd_per_million=1.0)
    assert plain.charge(Usage(100, 0, cached_input_tokens=80)) == plain.charge(Usage(100, 0))


@given(PRICES, PRICES, PRICES, st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 2 * 10**6))
def test_no_charge_is_above_its_bound_nor_below_zero(
    price: float, cheaper: float, output: float, read: int, written: int, cached: int
) -> None:
    card = ModelCard(
        name="m",
        input_usd_per_million=price,
        output_usd_per_million=output,
        cached_input_usd_per_million=min(price, cheaper),
    )
    charged = card.charge(Usage(read, written, cached_input_tokens=cached))
    assert not charged.exceeds(card.amount(read, written))
    assert charged.usd >= 0
    assert charged.tokens == read + written


def test_extra_fields_are_part_of_what_answers_and_of_the_bound() -> None:
    plain, extra = ModelCard(name="m"), ModelCard(name="m", extra_body={"top_p": 0.9})
    assert plain.fingerprint == ModelCard(name="m", extra_body={}).fingerprint != extra.fingerprint
    assert plain.bounds_fingerprint != extra.bounds_fingerprint
    assert (plain.extra_fields, plain.extra_bound_tokens) == ("", 0)
    assert (extra.extra_fields, extra.extra_bound_tokens) == ('{"top_p":0.9}', 13)


def test_tools_leave_the_bounds_of_cards_without_them_as_they_were_on_the_books() -> None:
    plain = ModelCard(name="m")
    assert plain.bounds_fingerprint == "589cec6a099b816b"
    assert ModelCard(name="m", tools_tokens=9).bounds_fingerprint == plain.bounds_fingerprint
    taking = ModelCard(name="m", tools=True)
    assert taking.fingerprint == plain.fingerprint, "whether tools were offered is in the request"
    assert taking.bounds_fingerprint != ModelCard(name="m", tools=True, tools_tokens=9).bounds_fingerprint
