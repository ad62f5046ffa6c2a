"""What a run has left when a node starts, as prompts tell it and gates read it."""

from __future__ import annotations

from collections.abc import Mapping

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
    """The tokens left before each node: what the run had at its start, less what the nodes before it took.

    It follows from the graph alone and not from who was quicker: nodes that run side by side are told the same, and
    so are all samples of a node. In a loop, a round counts what all its nodes took in the rounds before.

    Args:
        active: what runs.
        limit: tokens that the run had at its start.
    """

    def __init__(self, active: Active, limit: int) -> None:
        self._active = active
        self._limit = limit
        self._taken: dict[tuple[str, int], int] = {}
        """By node and round."""

    def note(self, node: str, round_: int, tokens: int) -> None:
        """Books what an execution of a node took."""
        self._taken[node, round_] = self._taken.get((node, round_), 0) + tokens

    def before(self, node: str, round_: int) -> int:
        """What is left for a node that starts a round; not below 0."""
        return self._less(self._earlier(node) - {node}, node, round_)

    def share_after(self, node: str, round_: int) -> float:
        """The share that is left behind a node once it has ended, and all before it."""
        return self._less(self._earlier(node), node, round_) / max(1, self._limit)

    def _earlier(self, node: str) -> frozenset[str]:
        return reached({node}, [(edge.target, edge.source) for edge in self._active.edges])

    def _less(self, earlier: frozenset[str], node: str, round_: int) -> int:
        body = self._active.body_of.get(node)
        again = frozenset[str]() if body is None else body.nodes
        taken = sum(
            tokens
            for (other, when), tokens in self._taken.items()
            if other in earlier or (other in again and when < round_)
        )
        return max(0, self._limit - taken)
