from __future__ import annotations

from pathlib import Path

import pytest

from apportion.budgets.books import MemoryStore
from apportion.errors import BudgetBreach
from apportion.models.breaches import Breaches, lift
from apportion.models.card import ModelCard
from apportion.records.usage import Amount
from apportion.stores import open_store

CARD = ModelCard(name="m")


def test_a_breach_bars_the_model_and_no_other() -> None:
    breaches = Breaches(None)
    breaches.check(CARD)
    assert breaches.add(CARD, Amount(30), Amount(500)) is breaches.add(CARD, Amount(1), Amount(2))
    with pytest.raises(BudgetBreach, match="reported 500 tokens for a call that reserved 30"):
        breaches.check(CARD)
    breaches.check(ModelCard(name="n"))


def test_a_breach_outlives_the_process(tmp_path: Path) -> None:
    with open_store(tmp_path / "books.db") as store:
        Breaches(store).add(CARD, Amount(30), Amount(500))
    with open_store(tmp_path / "books.db") as store:
        with pytest.raises(BudgetBreach, match=r"reported 500 .* reserved 30.*apportion models --check --db") as breach:
            Breaches(store).check(CARD)
        assert (breach.value.model, breach.value.reserved, breach.value.reported) == ("m", 30, 500)
        # A name of the pool is only a name: what serves it is the same.
        with pytest.raises(BudgetBreach, match="'other'"):
            Breaches(store).check(ModelCard(name="other", served_as="m"))


@pytest.mark.parametrize(
    "mended",
    [
        {"output_cap": "max_tokens"},
        {"output_slack_tokens": 4},
        {"template_tokens": 90},
        {"message_tokens": 9},
        {"exact_tokenizer": True},
        {"revision": "2"},
        {"served_as": "n"},
    ],
)
def test_a_mended_card_is_tried_anew(mended: dict[str, object]) -> None:
    store = MemoryStore()
    Breaches(store).add(CARD, Amount(30), Amount(500))
    Breaches(store).check(CARD.model_copy(update=mended))


def test_what_bounds_nothing_lifts_nothing() -> None:
    store = MemoryStore()
    Breaches(store).add(CARD, Amount(30), Amount(500))
    with pytest.raises(BudgetBreach):
        Breaches(store).check(CARD.model_copy(update={"weight": 3.0, "about": "x", "concurrency": 1}))


def test_a_bar_can_be_lifted() -> None:
    store = MemoryStore()
    assert not lift(store, CARD)
    Breaches(store).add(CARD, Amount(30), Amount(500))
    assert lift(store, CARD)
    assert not lift(store, CARD)
    Breaches(store).check(CARD)
