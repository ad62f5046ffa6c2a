"""What a run has left when a node starts, as prompts tell it and gates read it."""

from __future__ import annotations

from collections.abc import Mapping

from ..budgets.cap import pick
from ..records.rows import Unit
from ..records.usage import ZERO, Amount
from .active import Active, reached
from .resolved import Step

__all__ = ["Banner", "tells"]


def tells(steps: Mapping[str, Step]) -> bool:
    """Whether a prompt of a plan says what is left, or a gate reads it."""
    return any(
        any("left" in prompt.placeholders for prompt in step.node.prompts())
        or any(gate.reads_left for gate in step.gates.values())
        for step in steps.values()
    )


class Banner:
    """What is left before each node: what the run had at its start, less what the nodes before it took.

    It follows from the graph alone and not from who was quicker: nodes that run side by side are told the same, and
    so are all samples of a node. In a loop, a round counts what all its nodes took in the rounds before.

    Args:
        active: what runs.
        limits: what the run had at its start, by each unit that a cap counts.
    """

    def __init__(self, active: Active, limits: Mapping[Unit, int]) -> None:
        self._active = active
        self._limits = limits
        self._taken: dict[tuple[str, int], Amount] = {}
        """By node and round."""

    def note(self, node: str, round_: int, amount: Amount) -> None:
        """Books what an execution of a node took."""
        self._taken[node, round_] = self._taken.get((node, round_), ZERO) + amount

    def before(self, node: str, round_: int) -> int | None:
        """The tokens left for a node that starts a round, not below 0; None where no cap counts tokens."""
        limit = self._limits.get("tokens")
        return None if limit is None else max(0, limit - self._less(self._earlier(node) - {node}, node, round_).tokens)

    def share_after(self, node: str, round_: int) -> float:
        """The share that is left behind a node once it has ended, and all before it; of the unit that is scarcest."""
        taken = self._less(self._earlier(node), node, round_)
        shares = (1 - pick(taken, unit) / max(1, limit) for unit, limit in self._limits.items())
        return max(0.0, min(shares, default=1.0))

    def _earlier(self, node: str) -> frozenset[str]:
        return reached({node}, [(edge.target, edge.source) for edge in self._active.edges])

    def _less(self, earlier: frozenset[str], node: str, round_: int) -> Amount:
        """What was taken by then."""
        body = self._active.body_of.get(node)
        again = frozenset[str]() if body is None else body.nodes
        taken = (
            amount
            for (other, when), amount in self._taken.items()
            if other in earlier or (other in again and when < round_)
        )
        return sum(taken, ZERO)
