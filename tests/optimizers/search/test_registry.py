from __future__ import annotations

import pytest

from apportion.errors import UnknownName
from apportion.optimizers.search.racing import Racing
from apportion.optimizers.search.registry import optimizer_named


def test_optimizers_are_found_by_name() -> None:
    assert optimizer_named("racing") is optimizer_named("halving") is Racing


def test_an_unknown_optimizer_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'halving'"):
        optimizer_named("halfing")
