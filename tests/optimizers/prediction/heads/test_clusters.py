from __future__ import annotations

import json

import numpy as np
import pytest

from apportion.optimizers.prediction.features import Features
from apportion.optimizers.prediction.heads.base import Examples
from apportion.optimizers.prediction.heads.clusters import ClusterHead, fit_clusters
from apportion.optimizers.tables.table import Arm

ARMS = tuple(Arm(name) for name in "abc")


def examples(count: int, seed: int, *, families: bool = False, told: bool = True) -> Examples:
    """Two kinds of questions; arm a answers one, arm b the other, arm c half of both."""
    draws = np.random.default_rng(seed)
    kind = draws.integers(0, 2, count)
    chances = np.stack([0.1 + 0.8 * (kind == 0), 0.1 + 0.8 * (kind == 1), np.full(count, 0.5)], axis=1)
    scores = (draws.uniform(size=(count, 3)) < chances).astype(float)
    shown = kind if told else draws.integers(0, 2, count)
    matrix = draws.normal(0, 0.3, (count, 4))
    if not families:
        matrix[:, 0] += 3 * shown
    return Examples(Features(matrix, shown if families else np.full(count, -1)), scores, scores + 1, ARMS)


@pytest.mark.parametrize("families", [True, False])
def test_finds_the_kinds_by_family_or_by_likeness(families: bool) -> None:
    learned, unseen = examples(200, 0, families=families), examples(100, 1, families=families)
    head = fit_clusters(learned, 0)
    predicted = head.predict(unseen.features)
    truth = np.where(unseen.features.groups == 0 if families else unseen.features.matrix[:, 0] < 1.5, 0.9, 0.1)
    assert np.abs(predicted[:, 0] - truth).max() < 0.15
    assert (len(head.centers) == 0) == families


def test_means_are_drawn_by_the_number_of_questions() -> None:
    groups = np.array([0] * 8 + [1] * 2)
    scores = np.array([[1.0]] * 8 + [[0.0]] * 2)
    head = ClusterHead(centers=np.empty((0, 0)), means=np.zeros((3, 1)), weight=5.0)
    drawn = fit_clusters(Examples(Features(np.zeros((10, 1)), groups), scores, scores, ARMS[:1]), 0, head)
    assert drawn.means.ravel() == pytest.approx([(8 + 5 * 0.8) / 13, (0 + 5 * 0.8) / 7, 0.8], rel=1e-5)
    unseen = drawn.predict(Features(np.zeros((2, 1)), np.array([1, -1])))
    assert unseen.ravel() == pytest.approx([4 / 7, 0.8], rel=1e-5)


def test_what_tells_nothing_is_drawn_all_the_way() -> None:
    learned = examples(300, 2, told=False)
    predicted = fit_clusters(learned, 0).predict(learned.features)
    noise = np.sqrt(0.25 * 8 / 300)  # of the means of eight clusters
    assert np.abs(predicted - learned.scores.mean(axis=0)).mean() < 0.4 * noise


def test_json_and_equal_seeds_give_the_same_head() -> None:
    learned = examples(80, 3)
    head = fit_clusters(learned, 5)
    again = ClusterHead.from_json(json.loads(json.dumps(head.to_json())))
    assert (again.predict(learned.features) == head.predict(learned.features)).all()
    assert (fit_clusters(learned, 5).means == head.means).all()
    assert head.fits(4, 3)
    assert not head.fits(5, 3)
    assert not head.fits(4, 2)
