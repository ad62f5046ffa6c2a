"""What joins nodes: edges, loops, and groups that run once per part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import GraphError, UnknownName
from ..nodes.knob import MOST_TIMES, Adaptive, Choice, most, options
from ..records.message import Forward
from .gate import Gate

__all__ = ["Each", "Edge", "Loop", "edge_name", "forward_policy", "round_bounds"]


@dataclass(frozen=True, slots=True)
class Edge:
    """A message that one node sends to another."""

    source: str
    target: str
    optional: bool = False
    """Whether a plan may leave it out."""
    forward: Forward | Choice[Forward] = Forward.FULL
    """What it lets through; a knob."""
    gate: Gate | None = None
    """When it is open; None: always."""

    @property
    def name(self) -> str:
        """As plans write it: `a->b`."""
        return edge_name(self.source, self.target)


@dataclass(frozen=True, slots=True)
class Each:
    """A group in which `solve` runs once per part that `split` made, and `merge` joins the results."""

    split: str
    solve: str
    merge: str

    @property
    def members(self) -> frozenset[str]:
        """The three nodes."""
        return frozenset((self.split, self.solve, self.merge))

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The edges that the group implies."""
        return (self.split, self.solve), (self.solve, self.merge), (self.split, self.merge)


@dataclass(frozen=True, slots=True)
class Loop:
    """An edge back from `check` to `solve`; all that lies between runs again until the check accepts."""

    check: str
    solve: str
    rounds: int | Adaptive | Choice[int | Adaptive] = 2
    """The most rounds, the first included; `adaptive(low, high)` also asks for at least `low`. A knob."""
    forward: Forward | Choice[Forward] = Forward.FULL
    """What the next round sees of the check; a knob."""

    @property
    def name(self) -> str:
        """As plans write it: `check->solve`."""
        return edge_name(self.check, self.solve)


def edge_name(source: str, target: str) -> str:
    """An edge as plans write it."""
    return f"{source}->{target}"


def forward_policy(value: Any, place: str) -> Forward | Choice[Forward]:
    """A forward policy, or a choice of several, as the user gave it.

    Raises:
        UnknownName: there is no such policy.
    """
    known = {policy.value: policy for policy in Forward}
    for option in options(value):
        if option not in known:
            raise UnknownName(f"forward policy of {place}", str(option), known)
    if isinstance(value, Choice):
        return Choice(tuple(known[option] for option in value.values))
    return known[value]


def round_bounds(value: Any, place: str) -> tuple[int, int]:
    """The fewest and the most rounds of one value of a loop's `rounds`.

    Raises:
        GraphError: it is not a number of at least 1.
    """
    if isinstance(value, Adaptive):
        low = value.low
    elif isinstance(value, int) and not isinstance(value, bool):
        low = 1
    else:
        raise GraphError(f"{place}: rounds must be a whole number or adaptive(low, high), not {value!r}")
    if low < 1 or not 1 <= most(value) <= MOST_TIMES:
        raise GraphError(
            f"{place}: rounds must be at least 1 and at most {MOST_TIMES:,}, not {value!r}; leave the loop out to run "
            "it once"
        )
    return low, most(value)
