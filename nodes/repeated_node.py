"""Nodes that may ask the same several times: how often, until when, and which samples are discarded."""

from __future__ import annotations

from typing import Annotated, Any, Self

from annotated_types import Interval, MaxLen
from pydantic import model_validator

from ..errors import GraphError
from .answer_node import output_of
from .knob import ADDED, MOST_TIMES, Adaptive, Knob, Times, most, options
from .model_node import OF_CALLS, ModelNode
from .red_flags import RedFlag
from .stopping import StopRule
from .votes import VoteRule

__all__ = [
    "OF_REPEATED_CALLS",
    "REPETITION",
    "RepeatedNode",
    "flags_of",
    "most_draws",
    "redraws_of",
    "times_of",
    "vote_of",
]

REPETITION = frozenset({"samples", "vote", "stop", "redraws"})
"""The knobs that make no difference where a node draws once."""
OF_REPEATED_CALLS = OF_CALLS | REPETITION
"""The knobs that make no difference where a node that may ask several times makes no call."""


class RepeatedNode(ModelNode):
    """A node that may draw several samples; what is the same for two of them, and how they vote, its kind says."""

    samples: Annotated[Knob[Times | Adaptive], ADDED] = 1
    """How often it is done. A number is drawn at once; `adaptive(low, high)` draws `low` at once and then one by one
    until `stop` is content. Draws are independent, and every draw is charged."""
    vote: Annotated[Knob[VoteRule], ADDED] = "majority"
    """majority: most votes; confidence: the sum of the samples' mean token probabilities, where the model gives them;
    first: the first sample that could be read."""
    temperature: Knob[Annotated[float, Interval(ge=0.0, le=2.0)]] = 0.0
    """At 0 all samples would be equal, so one is drawn whatever `samples` says, and none is drawn anew."""
    stop: Annotated[Knob[StopRule], ADDED] = "beta"
    """When adaptive sampling ends: `beta`, the leader is the majority with probability 0.95; `ahead_by_K`, it is K
    votes ahead of the runner-up; `agree_K`, it has K votes; or a rule that an installed package registers."""
    red_flags: Annotated[tuple[RedFlag, ...], MaxLen(16), ADDED] = ()
    """Signs by which a sample is discarded from the vote and drawn anew: `too_long` (its reply ended at its output
    cap), `too_long_K` (or has more than K tokens), `unread` (no answer could be read), `hedged` (its answer takes
    itself back); or a function `(sample) -> str` that says what is wrong, itself or "module:name". Where one raises,
    the node has the status `tool_error`."""
    redraws: Annotated[Knob[Annotated[int, Interval(ge=0, le=MOST_TIMES)]], ADDED] = 2
    """The most samples drawn in place of discarded ones, all together; each is charged. When they are spent, the
    samples that tripped no flag decide, and where none of these has a vote, all that were drawn."""

    def open_knobs(self, models: tuple[str, ...]) -> dict[str, tuple[Any, ...]]:
        """See `Node.open_knobs`; those of repetition come last, because the order decides which plans a seed draws."""
        found = super().open_knobs(models)
        last = [name for name in RepeatedNode.__annotations__ if name in found]
        return {name: values for name, values in found.items() if name not in last} | {n: found[n] for n in last}

    def idle_knobs(self) -> frozenset[str]:
        """See `Node.idle_knobs`; one sample needs no vote, a fixed number no stop rule."""
        samples = options(self.samples)
        if not any(options(self.temperature)):
            return REPETITION
        idle = set() if self.red_flags else {"redraws"}
        if not any(isinstance(value, Adaptive) for value in samples):
            idle.add("stop")
        if not self._may_draw_several():
            idle.add("vote")  # where all that was drawn is discarded, all of it votes
        return frozenset(idle)

    def _may_draw_several(self) -> bool:
        redrawn = bool(self.red_flags) and any(options(self.redraws))
        return redrawn or any(isinstance(value, Adaptive) or value > 1 for value in options(self.samples))

    @model_validator(mode="after")
    def _samples_can_differ(self) -> Self:
        samples = options(self.samples)
        if not any(options(self.temperature)):
            if max(most(value) for value in samples) > 1:
                raise ValueError("samples: at temperature 0 all samples are equal; set temperature=0.7 or samples=1")
            if self.red_flags:
                raise ValueError(
                    "red_flags: at temperature 0 a discarded sample would come again; set temperature=0.7, or leave "
                    "red_flags out"
                )
        if any(isinstance(value, Adaptive) and value.low < 1 for value in samples):
            raise ValueError("samples: adaptive(0, n) would draw no sample at all; begin at 1")
        if output_of(self) == "text" and any(isinstance(value, Adaptive) for value in samples):
            raise GraphError(
                f"samples of a {self.kind} node: adaptive(...) stops when answers agree, and texts have no votes; give "
                "a number, or take output='line'"
            )
        return self


def times_of(node: RepeatedNode) -> int | Adaptive:
    """How many samples of a pinned node are to vote."""
    return node.samples if node.temperature > 0 else 1


def vote_of(node: RepeatedNode) -> VoteRule:
    """How a pinned node chooses among its samples: texts are not counted, so that the majority of them is the first."""
    return "first" if output_of(node) == "text" and node.vote == "majority" else node.vote


def flags_of(node: RepeatedNode) -> tuple[Any, ...]:
    """What discards samples of a pinned node."""
    return node.red_flags if node.temperature > 0 else ()


def redraws_of(node: RepeatedNode) -> int:
    """The most that a pinned node draws in place of discarded ones."""
    return node.redraws if flags_of(node) else 0


def most_draws(node: RepeatedNode) -> int:
    """The most that a pinned node draws in all."""
    return most(times_of(node)) + redraws_of(node)
