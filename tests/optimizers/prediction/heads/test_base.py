from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.optimizers.prediction.heads.base import folds_of


@pytest.mark.parametrize(("count", "folds"), [(10, 5), (11, 3), (2, 2), (101, 5)])
def test_folds_are_even_and_only_the_seed_decides(count: int, folds: int) -> None:
    found = folds_of(count, folds, 1)
    sizes = np.bincount(found, minlength=folds)
    assert (len(found), sizes.max() - sizes.min() <= 1) == (count, True)
    assert (found == folds_of(count, folds, 1)).all()
    if count > 10:
        assert (found != folds_of(count, folds, 2)).any()


@given(
    clusters=st.lists(st.integers(0, 12), min_size=2, max_size=60), folds=st.integers(2, 5), seed=st.integers(0, 2**32)
)
def test_clusters_are_in_one_fold_and_something_is_left_to_learn_from(
    clusters: list[int], folds: int, seed: int
) -> None:
    numbers = np.array(clusters)
    found = folds_of(len(numbers), min(folds, len(numbers)), seed, numbers)
    sizes = np.bincount(numbers)
    for number, size in enumerate(sizes):
        if size <= len(numbers) / 2:
            assert len(set(found[numbers == number])) <= 1
    assert np.bincount(found).max() < len(numbers)
    assert np.bincount(found).max() <= max(len(numbers) / 2, sizes.max(), -(-len(numbers) // folds) + 1) + 1
    assert (found == folds_of(len(numbers), min(folds, len(numbers)), seed, numbers)).all()
