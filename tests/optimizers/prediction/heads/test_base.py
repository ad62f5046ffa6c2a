from __future__ import annotations

import numpy as np
import pytest

from apportion.optimizers.prediction.heads.base import folds_of


@pytest.mark.parametrize(("count", "folds"), [(10, 5), (11, 3), (2, 2), (101, 5)])
def test_folds_are_even_and_only_the_seed_decides(count: int, folds: int) -> None:
    found = folds_of(count, folds, 1)
    sizes = np.bincount(found, minlength=folds)
    assert (len(found), sizes.max() - sizes.min() <= 1) == (count, True)
    assert (found == folds_of(count, folds, 1)).all()
    if count > 10:
        assert (found != folds_of(count, folds, 2)).any()
