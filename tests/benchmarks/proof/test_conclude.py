from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from apportion.optimizers.tables.table import Arm
from benchmarks.proof.conclude import control_gains, dose_of, node_shares, planned_results, standing_of
from benchmarks.proof.contest import ContestOutcome, Showing
from benchmarks.proof.draws import Resample, Statistic
from benchmarks.proof.protocol import PLANNED, Protocol

_CAPS = ("tight", "middle", "loose")
_COUNT = 500
_RESAMPLE = Resample(_COUNT, 1000, 0)
_PROTOCOL = Protocol()


def _outcome(means: Mapping[str, float], seed: int = 0, noise: float = 0.2) -> ContestOutcome:
    """Scores around planted means at every cap; differences between policies have a deviation of `noise`."""
    generator = np.random.default_rng([seed, 7])
    common = generator.normal(0, 0.5, _COUNT)
    places = [(cap, label) for cap in _CAPS for label in means]
    rows = common[:, None] + generator.normal(0, noise / np.sqrt(2), (_COUNT, len(places)))
    rows += np.array([means[label] for _, label in places]) - rows.mean(axis=0)
    *scores, cost = Statistic.means(np.column_stack([rows, np.full(_COUNT, 10.0)]), _RESAMPLE)
    showings = []
    for (cap, label), score in zip(places, scores, strict=True):
        mean, asked = means[label], {"x": 500.0, "y": 125.0}
        showings.append(Showing(label, cap, mean + 0.02, 10.0, score, cost, score, 10.0, 0.5, (mean,), (10.0,), asked))
    return ContestOutcome("planted", seed, tuple(showings), "clusters", None, 0.001, 1.0)


_CLEAR = {
    "U": 0.5,
    "R": 0.55,
    "A": 0.56,
    "R→A": 0.58,
    "FrugalGPT": 0.57,
    "Cascades": 0.6,
    "UpFront": 0.6,
    "J": 0.64,
    "JointSafe": 0.66,
}
_EVEN = {"R": 0.60, "A": 0.59, "J": 0.60, "JointSafe": 0.60}


def _planned(main: Mapping[str, float], control: Mapping[str, float]) -> dict[str, bool]:
    matches = {"mixed": [_outcome(main, s) for s in range(3)]}
    matches |= {pool: [_outcome(control, s, noise=0.1) for s in range(3)] for pool in ("clones", "dominated")}
    return {result.name: result.holds for result in planned_results(matches, _PROTOCOL)}


def test_a_clear_advantage_holds_and_so_do_even_controls() -> None:
    found = _planned(_CLEAR, _EVEN)
    assert list(found) == [planned.name for planned in PLANNED]
    assert all(found.values())


def test_one_rival_that_does_as_well_is_enough_to_fail() -> None:
    found = _planned({**_CLEAR, "A": 0.64}, _EVEN)
    assert [name for name, holds in found.items() if not holds] == [
        "J above R and A, tight cap",
        "J above R and A, middle cap",
    ]


def test_a_joint_policy_that_loses_fails_everything_about_the_stack() -> None:
    found = _planned({**_CLEAR, "R→A": 0.68}, _EVEN)
    assert sum("R→A" in name for name in found) == 3
    assert not any(holds for name, holds in found.items() if "R→A" in name)


def test_an_advantage_over_the_clones_is_no_equality() -> None:
    found = _planned(_CLEAR, {**_EVEN, "J": 0.62})
    assert [name for name, holds in found.items() if not holds] == [
        "two copies of one model: J equal to the better of R and A",
        "one model dominates: J equal to the better of R and A",
    ]


@pytest.mark.parametrize("rival", ["FrugalGPT", "Cascades", "UpFront"])
def test_a_rival_that_is_clearly_better_fails_its_own_comparison_alone(rival: str) -> None:
    failed = [name for name, holds in _planned({**_CLEAR, rival: 0.68}, _EVEN).items() if not holds]
    assert len(failed) == 1
    assert failed[0].startswith("J ")


def test_what_is_shipped_is_held_against_j_with_half_a_point_to_lose() -> None:
    assert not _planned({**_CLEAR, "JointSafe": 0.625}, _EVEN)["JointSafe not below J, every cap"]


def test_a_control_shows_what_seems_to_be_gained_by_anybody() -> None:
    means = {**_EVEN, "R→A": 0.60, "JointSafe": 0.63}
    gains = control_gains([_outcome(means, s, noise=0.1) for s in range(3)], "clones")
    assert [(gain.cap, gain.label) for gain in gains[:3]] == [("tight", "J"), ("tight", "JointSafe"), ("tight", "R→A")]
    assert {gain.label for gain in gains if gain.shows} == {"JointSafe"}
    wide = next(gain.gain for gain in gains if gain.label == "J")
    assert wide.high - wide.low > 2 * 1.96 * 0.1 / np.sqrt(_COUNT), "for all cells of a pool together"


def test_the_p_value_of_several_parts_is_the_largest_and_is_adjusted() -> None:
    results = planned_results({"mixed": [_outcome({**_CLEAR, "A": 0.636})]}, _PROTOCOL)
    assert len(results) == 9, "pools that were not measured are left out"
    first = results[0]
    assert first.p == max(part.p for part in first.parts)
    assert {part.rival for part in first.parts} == {"R", "A"}
    assert first.adjusted >= first.p
    assert first.parts[0].detectable == pytest.approx(2.8 * 0.2 / np.sqrt(_COUNT), rel=0.15)


def test_a_standing_has_what_is_printed() -> None:
    outcomes = [_outcome({**_CLEAR, "J": 0.64 + 0.01 * seed}, seed) for seed in range(3)]
    standing = standing_of(outcomes, dict.fromkeys(_CAPS, 12.0), "mixed", "weighted")
    joint = next(policy for policy in standing.policies if policy.label == "J" and policy.cap == "tight")
    assert joint.score.value == pytest.approx(0.65)
    assert joint.seed_deviation == pytest.approx(0.01)
    assert joint.optimism == pytest.approx(0.02)
    assert joint.behind is None
    rival = next(policy for policy in standing.policies if policy.label == "R" and policy.cap == "tight")
    assert rival.behind is not None
    assert rival.behind.value == pytest.approx(0.1)
    assert rival.behind.low < 0.1 < rival.behind.high
    assert rival.behind_seed_deviation == pytest.approx(0.01)
    assert standing.synergy["tight"].value == pytest.approx(0.65 - 0.55 - 0.56 + 0.5)


def test_doses_and_what_each_node_got() -> None:
    outcomes = [_outcome(_CLEAR, seed) for seed in range(2)]
    doses = dose_of(outcomes, "specialists", "text hides")
    assert {dose.against for dose in doses} == {"R→A"}
    assert dose_of(outcomes, "specialists", "text hides", "UpFront")[0].difference.value == pytest.approx(0.04)
    assert [dose.cap for dose in doses] == list(_CAPS)
    assert doses[0].difference.value == pytest.approx(0.06)
    assert doses[0].rival == pytest.approx(0.58)
    arms = [Arm("x", (("solve", "small"),)), Arm("y", (("search", "large"), ("solve", "small")))]
    shares = {(s.cap, s.node, s.model): s.questions for s in node_shares(outcomes, arms)}
    assert shares["tight", "solve", "small"] == pytest.approx(1.25), "one question in four went through both"
    assert shares["tight", "search", "large"] == pytest.approx(0.25)
