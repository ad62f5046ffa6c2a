from __future__ import annotations

from dataclasses import asdict

import pytest

from benchmarks.proof.findings import (
    ControlGain,
    Dose,
    Findings,
    Gap,
    NodeShare,
    PairedDifference,
    PlannedResult,
    PolicyResult,
    Ranged,
    Standing,
)
from benchmarks.proof.protocol import Protocol


def _around(value: float, width: float = 0.01) -> Ranged:
    return Ranged(value=value, low=value - width, high=value + width)


def _policy(label: str, cap: str, score: float, cost: float) -> PolicyResult:
    return PolicyResult(
        label=label,
        title=f"what {label} is",
        cap=cap,
        budget=10.0,
        score=_around(score),
        cost=_around(cost, 0.1),
        validation_score=score + 0.012,
        optimism=0.012,
        seed_deviation=0.004,
        order_deviation=0.0002,
        behind=None if label == "J" else _around(0.03),
        behind_at_cap=None if label == "J" else _around(0.031),
        mixed_cost=9.9,
        behind_seed_deviation=0.002,
    )


@pytest.fixture
def findings() -> Findings:
    """One planned comparison that holds, one that does not."""
    part = PairedDifference(subject="J", rival="R→A", cap="tight", difference=_around(0.03), p=0.001, detectable=0.009)
    lost = PairedDifference(subject="J", rival="R→A", cap="middle", difference=_around(-0.002), p=0.6, detectable=0.009)
    planned = (
        PlannedResult(name="J above R→A, tight cap", claim="above", parts=(part,), p=0.001, adjusted=0.002, holds=True),
        PlannedResult(name="J above R→A, middle cap", claim="above", parts=(lost,), p=0.6, adjusted=0.6, holds=False),
    )
    policies = tuple(
        _policy(label, cap, score, cost)
        for cap, cost in (("tight", 9.5), ("middle", 31.0))
        for label, score in (("U", 0.5), ("R→A", 0.57), ("J", 0.6), ("Snell", 0.55))
    )
    return Findings(
        protocol=asdict(Protocol()),
        budgets={"weighted": {"tight": 10.0, "middle": 32.0}},
        pools={"mixed": ("pocket-30k", "pocket-100k")},
        arms=19,
        questions={"fit": 800, "validation": 400, "test": 6000, "replicated": 1500},
        seeds={"dev": 1, "test": 2},
        planned=planned,
        standings=(
            Standing(
                pool="mixed",
                unit="weighted",
                policies=policies,
                synergy={"tight": _around(0.02)},
                head="boosting",
                probe=None,
                inexact=0.0012,
            ),
        ),
        controls=(
            ControlGain(pool="clones", cap="tight", label="J", gain=_around(0.002)),
            ControlGain(pool="clones", cap="tight", label="JointSafe", gain=_around(-0.001)),
        ),
        doses=tuple(
            Dose(
                pool=pool,
                questions=kind,
                against=rival,
                cap=cap,
                difference=_around(0.01 * number),
                joint=0.6,
                rival=0.59,
                count=6000,
            )
            for rival in ("R→A", "UpFront")
            for pool in ("generalists", "mixed")
            for kind in ("text tells", "text hides")
            for number, cap in enumerate(("tight", "middle"))
        ),
        gaps=(
            Gap(
                cap="tight",
                static=0.5,
                joint=0.6,
                oracle=0.65,
                oracle_cost=10.0,
                joint_above_static=_around(0.1),
                oracle_above_static=_around(0.15),
                closed=0.667,
            ),
            Gap(
                cap="loose",
                static=0.7,
                joint=0.71,
                oracle=0.715,
                oracle_cost=90.0,
                joint_above_static=_around(0.01),
                oracle_above_static=_around(0.015),
                closed=None,
            ),
        ),
        nodes=(NodeShare(cap="tight", node="solve", model="pocket-30k", questions=0.625),),
        test_reads=2,
        evaluations=462,
        seconds=600.0,
        measured_seconds=30.0,
        stages={"every plan once": 30.0, "matches": 600.0},
        location="<memory & disk>",
    )
