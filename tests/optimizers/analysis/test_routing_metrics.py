from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest

from apportion.errors import UsageError
from apportion.optimizers.analysis.routing_metrics import aiq, apgr, cpt, pgr, routing_curve
from apportion.optimizers.arrays import Floats

RECORDED = Path(__file__).resolve().parents[4] / "shared" / "data" / "routellm"


def test_a_curve_worked_out_by_hand() -> None:
    weak = np.array([1, 0, 0, 1, 0, 1, 0, 1, 0, 1.0])
    strong = np.array([1, 1, 1, 0, 1, 1, 1, 1, 0, 1.0])
    strength = np.array([0.1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.6, 0.3, 0.2, 0.0])
    curve = routing_curve(strength, weak, strong)
    # Questions 5 and 7 are equally strong and are sent together.
    assert curve.shares == pytest.approx([0, 0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1])
    assert curve.scores == pytest.approx([0.5, 0.6, 0.7, 0.6, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8])
    assert pgr(0.65, 0.5, 0.8) == pytest.approx(0.5)
    recovered = (curve.scores - 0.5) / 0.3
    by_hand = 0.1 * (recovered[:3].sum() - recovered[2] / 2) + 0.1 * (recovered[2] + recovered[3]) / 2
    by_hand += 0.2 * (recovered[3] + recovered[4]) / 2 + 0.5
    assert apgr(curve) == pytest.approx(by_hand)
    assert cpt(curve, 0.0) == 0
    assert cpt(curve, 0.5) == pytest.approx(0.15)
    # PGR falls back to 1/3 after it has reached 2/3; the first crossing counts.
    assert cpt(curve, 2 / 3 - 1e-12) == pytest.approx(0.2)
    assert cpt(curve, 0.8) == pytest.approx(0.3 + 0.2 * (0.8 - 1 / 3) / (2 / 3))
    assert cpt(curve, 1.1) is None


def test_drawing_at_random_recovers_half() -> None:
    curve = routing_curve(np.zeros(4), np.array([0, 0, 1, 0.0]), np.array([1, 0, 1, 1.0]))
    assert apgr(curve) == pytest.approx(0.5)
    assert cpt(curve, 0.3) == pytest.approx(0.3)


def test_no_gap_is_an_error() -> None:
    with pytest.raises(UsageError, match="no gap"):
        apgr(routing_curve(np.arange(2.0), np.ones(2), np.ones(2)))
    with pytest.raises(UsageError, match="both scores"):
        routing_curve(np.arange(2.0), np.ones(2), np.ones(3))


def test_the_mean_height_of_a_hull() -> None:
    costs, scores = np.array([1.0, 3.0, 2.0, 2.0]), np.array([0.2, 0.8, 0.6, 0.1])
    assert aiq(costs, scores, 1, 3) == pytest.approx((0.4 + 0.7) / 2)
    assert aiq(costs, scores, 1.5, 2.5) == pytest.approx((0.5 + 0.65) / 2)
    assert aiq(costs, scores, 2, 5) == pytest.approx((0.7 + 2 * 0.8) / 3)
    with pytest.raises(UsageError, match="begins below"):
        aiq(costs, scores, 0.5, 2)
    with pytest.raises(UsageError, match="the lower first"):
        aiq(costs, scores, 2, 2)


def recorded(dataset: str) -> tuple[Floats, Floats]:
    """(weak, strong): the scores of Mixtral and GPT-4 that RouteLLM recorded, contaminated questions left out."""
    if not RECORDED.is_dir():
        pytest.skip(f"the outcomes that RouteLLM recorded are not in {RECORDED}")
    import pyarrow.parquet as pq

    with gzip.open(RECORDED / "queries.csv.gz", "rt", encoding="utf-8", newline="") as lines:
        clean = {
            row["query_id"]
            for row in csv.DictReader(lines)
            if row["dataset"] == dataset and row["contaminated"].lower() not in ("true", "1", "1.0")
        }
    scores: dict[str, dict[str, float]] = {"weak": {}, "strong": {}}
    columns = ["query_id", "model", "correct"]
    table = pq.read_table(RECORDED / "outcomes.parquet", columns=columns).to_pydict()
    for name, model, correct in zip(*(table[column] for column in columns), strict=True):
        if name in clean:
            scores["strong" if model.startswith("gpt-4") else "weak"][name] = correct
    assert scores["weak"].keys() == scores["strong"].keys()
    order = sorted(scores["weak"])
    return np.array([scores["weak"][q] for q in order]), np.array([scores["strong"][q] for q in order])


@pytest.mark.parametrize(
    ("dataset", "weak_score", "strong_score", "either"), [("mmlu", 0.681, 0.806, 0.859), ("gsm8k", 0.637, 0.858, 0.930)]
)
def test_the_oracle_of_recorded_outcomes(dataset: str, weak_score: float, strong_score: float, either: float) -> None:
    weak, strong = recorded(dataset)
    assert (weak.mean(), strong.mean()) == (pytest.approx(weak_score, abs=5e-4), pytest.approx(strong_score, abs=5e-4))
    assert np.maximum(weak, strong).mean() == pytest.approx(either, abs=5e-4)
    oracle = routing_curve(strong - weak, weak, strong)
    best = (np.maximum(weak, strong).mean() - weak.mean()) / (strong.mean() - weak.mean())
    assert pgr(oracle.scores.max(), weak.mean(), strong.mean()) == pytest.approx(best)
    needed = float((strong > weak).mean())
    assert cpt(oracle, 0.5) == pytest.approx(needed * 0.5 / best)
    # Up to the best score, along it, and down by the questions that only the weak arm answers.
    worse = float((strong < weak).mean())
    area = needed * best / 2 + (1 - needed - worse) * best + worse * (best + 1) / 2
    assert apgr(oracle) == pytest.approx(area)
    if dataset == "mmlu":
        assert apgr(oracle, intervals=10) == pytest.approx(1.27, abs=5e-3)
