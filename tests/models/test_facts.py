from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from apportion.errors import StoreError
from apportion.models.breaches import Breaches
from apportion.models.card import ModelCard
from apportion.models.facts import content_of
from apportion.models.openai_compatible import OpenAIModel
from apportion.models.pool import Pool
from apportion.models.probing import probe_models
from apportion.records.rows import FactRow
from apportion.stores import open_store
from apportion.testing.fault_server import FaultServer

CARD = ModelCard(name="m")


def test_content_that_is_whole_is_read() -> None:
    row = FactRow("s", "probe", '{"lines": ["a = 1"], "tokens": 3, "more": null}', 1.0)
    assert content_of(row, {"lines": list, "tokens": int})["tokens"] == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "Expecting property name"),
        ("[]", "is no object"),
        ('{"reported": 2}', "'reserved' is missing"),
        ('{"reserved": "1", "reported": 2}', "'reserved' is '1'"),
        ('{"reserved": true, "reported": 2}', "'reserved' is 'True'"),
        ("[" * 100_000, "recursion|no object|Expecting"),
    ],
)
def test_a_damaged_fact_is_a_typed_error_with_its_remedy(content: str, said: str) -> None:
    with pytest.raises(StoreError, match=said) as caught:
        content_of(FactRow("s", "breach", content, 1.0), {"reserved": int, "reported": int})
    assert "DELETE FROM fact WHERE kind = 'breach' AND subject = 's'" in str(caught.value)


def test_breaches_whose_keys_are_missing_are_typed(tmp_path: Path) -> None:
    with open_store(tmp_path / "books.db") as store:
        store.record(FactRow(CARD.bounds_fingerprint, "breach", '{"model": "m"}', 1.0))
        with pytest.raises(StoreError, match="'reserved' is missing"):
            Breaches(store).check(CARD)


def test_probes_whose_keys_are_missing_are_typed(tmp_path: Path) -> None:
    with open_store(tmp_path / "books.db") as store, FaultServer() as server:

        def probed() -> Any:
            return asyncio.run(probe_models(Pool([OpenAIModel(CARD, server.base_url)]), ["m"], kept))

        class Kept:
            """Books whose fact of every subject is damaged."""

            def fact(self, subject: str, kind: Any) -> FactRow:
                return FactRow(subject, kind, '{"tokens": 3}', 1e12)

            def __getattr__(self, name: str) -> Any:
                return getattr(store, name)

        kept: Any = Kept()
        with pytest.raises(StoreError, match="'lines' is missing"):
            probed()
