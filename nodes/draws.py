"""Independent draws: how often a node asks the same, and how one answer is made of what comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .knob import Adaptive
from .stopping import StopRule
from .votes import VoteRule, normal_form

__all__ = ["Draws"]


@dataclass(frozen=True, slots=True)
class Draws:
    """The independent draws of a node at its settings.

    All calls of draw i, counted from 0, have i as their `Request.sample` (in later rounds of a loop, further numbers),
    so that five draws contain three, and what three cost is paid once. Where vote curves can be told, a run that draws
    more than once records one event with the field `draws`: [answer, confidence] of each in order, None for what it
    does not have. From these, vote curves tell what other numbers of draws would have done.
    """

    knob: str
    """The setting that says how many."""
    number: int | Adaptive
    """How many there are, or from how many to how many."""
    vote: VoteRule = "majority"
    """How the answer is chosen among them."""
    stops: tuple[StopRule, ...] = ()
    """The rules that may end adaptive drawing; none where the node draws a fixed number only."""
    form: Callable[[str], str] = normal_form
    """What draws that count as the same answer have in common."""
    curves: bool = True
    """Whether vote curves can be told: each draw is an answer to the question, and the vote takes one of them."""
    numbers: int = 1
    """How many sample numbers a draw has, where its calls are told apart by them: draw i has those from i * numbers on.
    """
    redraws: int = 0
    """The most further draws in place of those that a red flag discards; they have the numbers behind the others."""
