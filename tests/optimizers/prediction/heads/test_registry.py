from __future__ import annotations

import numpy as np
import pytest

from apportion.optimizers.prediction.features import Features
from apportion.optimizers.prediction.heads.base import Examples
from apportion.optimizers.prediction.heads.registry import HEADS
from apportion.optimizers.tables.table import Arm


@pytest.mark.parametrize("name", HEADS)
def test_every_head_says_its_name_and_keeps_to_the_form(name: str) -> None:
    draws = np.random.default_rng(0)
    scores = draws.uniform(size=(40, 3))
    features = Features(draws.normal(size=(40, 4)), draws.integers(-1, 2, 40))
    head = HEADS[name](Examples(features, scores, scores, tuple(Arm(a) for a in "abc")), 0)
    predicted = head.predict(features.take(np.arange(7)))
    assert (head.kind, predicted.shape) == (name, (7, 3))
    assert ((predicted >= 0) & (predicted <= 1)).all()
    assert head.fits(4, 3)
    like = HEADS[name](Examples(features, scores, scores, tuple(Arm(a) for a in "abc")), 0, head)
    assert like.predict(features) == pytest.approx(head.predict(features), abs=1e-3)
