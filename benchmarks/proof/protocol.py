"""What was decided before the test part was read: sizes, caps, policies, and the comparisons that count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from .portfolios import Kind

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


CONTESTANTS: tuple[Contestant, ...] = (
    Contestant("U", "static", "static", "best static plan"),
    Contestant("StaticMix", "static_mix", "static", "mixture of static plans"),
    Contestant("R", "route_only", "route", "route only"),
    Contestant("A", "allocate_only", "allocate", "allocate only"),
    Contestant("R→A", "route_then_allocate", "free", "route, then allocate"),
    Contestant("J", "joint_up_front", "free", "joint"),
    Contestant("JointSafe", "joint_safe", "free", "joint, or a simpler policy by the 1-SE rule"),
    Contestant("Hybrid-LLM", "quality_gap", "free", "quality-gap threshold"),
    Contestant("RouteLLM-MF", "factorisation", "free", "matrix factorisation"),
    Contestant("Avengers-Pro", "clusters", "free", "clusters with a dial"),
    Contestant("BEST-Route", "best_route", "free", "cheapest arm above a threshold"),
    Contestant("FrugalGPT", "cascade", "free", "cascade"),
    Contestant("Snell", "difficulty_bins", "free", "difficulty bins"),
    Contestant("Damani", "marginal_gain", "free", "greedy marginal gain"),
)
"""In the order in which they are printed."""

CAPS: Mapping[str, float] = {"tight": 0.25, "middle": 0.5, "loose": 0.9}
"""Where each cap lies between the mean cost of the cheapest arm (0) and that of the best static arm (1) on validation,
in equal ratios: costs of arms differ by orders of magnitude, and an even step between them would be loose."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A comparison that was planned."""

    name: str
    claim: Literal["above", "not below", "equal"]
    """above: the first is better; not below: it loses less than the margin; equal: the two differ by less."""
    rivals: tuple[str, ...]
    """Labels. Above: better than each of them, intersection-union. Equal: to the best of them."""
    caps: tuple[str, ...]
    """Where the claim holds; at all of them, intersection-union."""
    pool: str = "mixed"


PLANNED: tuple[Planned, ...] = (
    Planned("J above R and A, tight cap", "above", ("R", "A"), ("tight",)),
    Planned("J above R and A, middle cap", "above", ("R", "A"), ("middle",)),
    Planned("J above R→A, tight cap", "above", ("R→A",), ("tight",)),
    Planned("J above R→A, middle cap", "above", ("R→A",), ("middle",)),
    Planned("J not below R→A, loose cap", "not below", ("R→A",), ("loose",)),
    Planned("two copies of one model: J equal to the better of R and A", "equal", ("R", "A"), tuple(CAPS), "clones"),
    Planned("one model dominates: J equal to the better of R and A", "equal", ("R", "A"), tuple(CAPS), "dominated"),
)
"""Adjusted together by Holm's method."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """The sizes of a comparison."""

    questions: int = 6000
    """Of the test part, each answered once by every arm."""
    fit: int = 800
    validation: int = 400
    replicated: int = 750
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
    control_seeds: int = 2
    """Search seeds of the controls and of the dose-response figure."""
    margin: float = 0.01
    level: float = 0.05
    gap_floor: float = 0.02
    """The share of the gap that is closed is only given where the oracle is so far above the best static plan."""
    caps: Mapping[str, float] = field(default_factory=lambda: dict(CAPS))
