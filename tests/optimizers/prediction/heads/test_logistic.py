from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from apportion.optimizers.arrays import Floats
from apportion.optimizers.prediction.features import Features
from apportion.optimizers.prediction.heads.base import Examples
from apportion.optimizers.prediction.heads.logistic import LogisticHead, fit_logistic
from apportion.optimizers.tables.table import Arm

ARMS = tuple(Arm(f"{model}{size}", (("solve", model),), str(size)) for model in "ab" for size in (1, 2))


def drawn(count: int, seed: int, weights: Floats, bias: Floats, arms: tuple[Arm, ...]) -> tuple[Examples, Floats]:
    draws = np.random.default_rng(seed)
    matrix = draws.normal(0, 1, (count, len(weights)))
    chances = 1 / (1 + np.exp(-(matrix @ weights + bias)))
    scores = (draws.uniform(size=chances.shape) < chances).astype(float)
    return Examples(Features(matrix, np.full(count, -1)), scores, scores, arms), chances


@pytest.mark.parametrize("penalty", [3.0, 30.0])
def test_one_arm_is_the_logistic_regression_of_scikit_learn(penalty: float) -> None:
    learned, _ = drawn(300, 0, np.array([[1.0], [-0.5], [0.0]]), np.array([0.7]), ARMS[:1])
    like = LogisticHead(weights=np.zeros((3, 1)), bias=np.zeros(1), penalty=penalty)
    head = fit_logistic(learned, 0, like)
    theirs = LogisticRegression(C=1 / penalty, tol=1e-8).fit(learned.features.matrix, learned.scores[:, 0])
    assert head.weights.ravel() == pytest.approx(theirs.coef_.ravel(), abs=0.01)
    assert head.bias == pytest.approx(theirs.intercept_, abs=0.01)


def test_arms_learn_from_each_other() -> None:
    """What all arms share is found from few questions, where each arm alone would be lost."""
    weights, bias = np.tile([[1.5], [-1.0], *[[0.0]] * 10], (1, 4)), np.array([-1.0, 0.0, 0.5, 1.0])
    learned, _ = drawn(60, 1, weights, bias, ARMS)
    unseen, chances = drawn(500, 2, weights, bias, ARMS)
    together = ((fit_logistic(learned, 0).predict(unseen.features) - chances) ** 2).mean()
    alone = [
        fit_logistic(Examples(learned.features, learned.scores[:, [i]], learned.scores[:, [i]], ARMS[i : i + 1]), 0)
        for i in range(4)
    ]
    apart = np.mean([((h.predict(unseen.features)[:, 0] - chances[:, i]) ** 2).mean() for i, h in enumerate(alone)])
    assert together < 0.6 * apart


def test_what_only_one_model_can_do_is_found() -> None:
    weights = np.array([[2.0, 2.0, -2.0, -2.0], [0, 0, 0, 0]])
    learned, _ = drawn(150, 3, weights, np.zeros(4), ARMS)
    found = fit_logistic(learned, 0).weights
    assert (found[0, :2] > 0.8).all()
    assert (found[0, 2:] < -0.8).all()


def test_shares_of_success_and_arms_that_never_fail() -> None:
    draws = np.random.default_rng(4)
    scores = np.column_stack([draws.uniform(0.2, 0.4, 60), np.ones(60), np.zeros(60)])
    features = Features(draws.normal(size=(60, 3)), np.full(60, -1))
    predicted = fit_logistic(Examples(features, scores, scores, ARMS[:3]), 0).predict(features)
    assert predicted.mean(axis=0) == pytest.approx([0.3, 1, 0], abs=0.03)


def test_json_gives_the_same_head() -> None:
    learned, _ = drawn(60, 5, np.ones((3, 4)), np.zeros(4), ARMS)
    head = fit_logistic(learned, 1)
    again = LogisticHead.from_json(json.loads(json.dumps(head.to_json())))
    assert (again.predict(learned.features) == head.predict(learned.features)).all()
    assert (head.fits(3, 4), head.fits(3, 5), head.fits(4, 4)) == (True, False, False)
