"""What was decided before the test part was read: sizes, caps, policies, and the comparisons that count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from .portfolios import Kind
from .questions import ASKED

__all__ = ["CAPS", "CONTESTANTS", "PLANNED", "Contestant", "Planned", "Protocol"]


@dataclass(frozen=True, slots=True)
class Contestant:
    """A policy of the comparison."""

    label: str
    policy: str
    """Its name in the registry."""
    kind: Kind
    """What it holds fixed, which decides the arms that it may choose from."""
    title: str
    once: bool = False
    """Whether what it learns does not depend on the cap, so that it is fitted once for all of them."""


CONTESTANTS: tuple[Contestant, ...] = (
    Contestant("U", "static", "static", "best static plan"),
    Contestant("StaticMix", "static_mix", "static", "mixture of static plans"),
    Contestant("R", "route_only", "route", "route only"),
    Contestant("A", "allocate_only", "allocate", "allocate only"),
    Contestant("R→A", "route_then_allocate", "free", "route, then allocate"),
    Contestant("FrugalGPT", "cascade", "free", "one cascade for all questions", once=True),
    Contestant("Cascades", "cascade_by_family", "free", "one cascade for each family", once=True),
    Contestant("UpFront", "joint_up_front", "free", "joint over plans, before anything is seen of an answer"),
    Contestant("Sequential", "sequential", "free", "lists of arms, deciding again after each look"),
    Contestant("J", "joint", "free", "joint over plans and cascades"),
    Contestant("JointSafe", "joint_safe", "free", "joint, or a simpler policy by the 1-SE rule"),
    Contestant("Hybrid-LLM", "quality_gap", "free", "quality-gap threshold"),
    Contestant("RouteLLM-MF", "factorisation", "free", "matrix factorisation"),
    Contestant("Avengers-Pro", "clusters", "free", "clusters with a dial"),
    Contestant("BEST-Route", "best_route", "free", "cheapest arm above a threshold"),
    Contestant("Snell", "difficulty_bins", "free", "difficulty bins"),
    Contestant("Damani", "marginal_gain", "free", "greedy marginal gain"),
)
"""In the order in which they are printed. `JointSafe` comes after its members, which it shares."""

CAPS: Mapping[str, float] = {"tight": 0.25, "middle": 0.5, "loose": 0.9}
"""Where each cap lies between the mean cost of the cheapest arm (0) and that of the best static arm (1) on validation,
in equal ratios: costs of arms differ by orders of magnitude, and an even step between them would be loose."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A comparison that was planned."""

    name: str
    claim: Literal["above", "not below", "equal"]
    """above: the subject is better; not below: it loses less than the margin; equal: the two differ by less."""
    rivals: tuple[str, ...]
    """Labels. Above, not below: each of them, intersection-union. Equal: to the best of them."""
    caps: tuple[str, ...]
    """Where the claim holds; at all of them, intersection-union."""
    pool: str = "mixed"
    margin: float = 0.01
    """Of the score."""
    subject: str = "J"


_HALF = 0.005

PLANNED: tuple[Planned, ...] = (
    Planned("J above R and A, tight cap", "above", ("R", "A"), ("tight",)),
    Planned("J above R and A, middle cap", "above", ("R", "A"), ("middle",)),
    Planned("J above R→A, tight cap", "above", ("R→A",), ("tight",)),
    Planned("J above R→A, middle cap", "above", ("R→A",), ("middle",)),
    Planned("J not below R→A, loose cap", "not below", ("R→A",), ("loose",)),
    Planned("J above one cascade, every cap", "above", ("FrugalGPT",), tuple(CAPS)),
    Planned("J not below cascades by family, every cap", "not below", ("Cascades",), tuple(CAPS), margin=_HALF),
    Planned("J not below the choice up front, every cap", "not below", ("UpFront",), tuple(CAPS), margin=_HALF),
    Planned("JointSafe not below J, every cap", "not below", ("J",), tuple(CAPS), margin=_HALF, subject="JointSafe"),
    Planned("two copies of one model: J equal to the better of R and A", "equal", ("R", "A"), tuple(CAPS), "clones"),
    Planned("one model dominates: J equal to the better of R and A", "equal", ("R", "A"), tuple(CAPS), "dominated"),
)
"""Adjusted together by Holm's method."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """The sizes of a comparison."""

    questions: int = 500 * len(ASKED)
    """Of the test part, each answered once by every arm."""
    fit: int = 100 * len(ASKED)
    validation: int = 50 * len(ASKED)
    replicated: int = 500
    """Of the test part, those that are answered several times, for the oracle."""
    replicates: int = 8
    portfolio: int = 16
    """The most arms of each policy family."""
    search_seeds: int = 5
    """Each splits fit and validation anew, chooses portfolios and fits everything."""
    orders: int = 5
    """In which the test questions are served."""
    barriers: int = 12
    """How often a batch is allocated anew while it is served."""
    draws: int = 2000
    heads: tuple[str, ...] = ()
    """The score heads that are compared; all where left out."""
    control_seeds: int = 5
    """Search seeds of the pools in which there is nothing to gain."""
    figure_seeds: int = 2
    """Search seeds of what is only described: raw tokens, the gap to the oracle, and the dose-response figure."""
    level: float = 0.05
    gap_floor: float = 0.02
    """The share of the gap that is closed is only given where the oracle is so far above the best static plan."""
    caps: Mapping[str, float] = field(default_factory=lambda: dict(CAPS))
