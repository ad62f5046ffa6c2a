from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from apportion.optimizers.regression import logit, ridge, sigmoid


def test_a_sigmoid_undoes_a_logit() -> None:
    probabilities = np.array([[0.01, 0.3], [0.5, 0.99]])
    assert sigmoid(logit(probabilities, 1e-4)) == pytest.approx(probabilities)


def test_certainty_has_a_finite_logit_and_no_logit_overflows() -> None:
    assert sigmoid(logit(np.array([0.0, 1.0]), 0.02)) == pytest.approx([0.02, 0.98])
    with np.errstate(all="raise"):
        assert sigmoid(np.array([-1e9, 1e9])) == pytest.approx([0, 1])


@pytest.mark.parametrize("weighted", [False, True])
def test_a_ridge_regression_is_that_of_scikit_learn(weighted: bool) -> None:
    generator = np.random.default_rng(0)
    matrix, targets = generator.normal(size=(30, 4)), generator.normal(size=(30, 2))
    weights = generator.uniform(0.1, 2, 30) if weighted else None
    fitted = Ridge(alpha=0.7, fit_intercept=False).fit(matrix, targets, weights)
    assert ridge(matrix, targets, 0.7, weights) == pytest.approx(fitted.coef_.T)
