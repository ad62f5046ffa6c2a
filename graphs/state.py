"""What a graph that runs and the run that it belongs to say to each other, with LangGraph between them or without."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ..records.message import Message
from .active import Active

__all__ = ["OUT", "TASK", "Session", "channel", "supersteps"]

TASK = "task"
"""The channel of the task, the graph's input."""
OUT = "out"
"""The channel of the final node's message, the graph's output."""


class Session(Protocol):
    """One run, as the compiled graph sees it: the LangGraph run's `context`."""

    async def step(self, node: str, state: Mapping[str, Any]) -> Message:
        """Runs a node; never raises but for cancellation."""

    def goes_on(self, loop: str, message: Message) -> bool:
        """Whether a loop has another round, after this message of its check."""


def channel(node: str) -> str:
    """The state channel in which a node's message is."""
    return f"{node}.message"


def supersteps(active: Active, rounds: Mapping[str, int]) -> int:
    """The most supersteps of a run, for LangGraph's recursion limit; `rounds` has the most rounds by loop."""
    again = sum((rounds[body.loop.name] - 1) * len(body.nodes) for body in active.bodies)
    return len(active.names) + again + len(active.bodies) + 1
