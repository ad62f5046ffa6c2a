"""A step of an app that a plan may leave out: whether it runs is a knob."""

from __future__ import annotations

from typing import ClassVar

from ..records.message import Message
from ..records.status import Status
from .base import CallBound, Context, Incoming, Inputs, Kind, Node, Speakers
from .knob import Knob, choose
from .prompts.base import Ask

__all__ = ["KIND", "LEFT_OUT", "AppStep"]

LEFT_OUT = "the plan leaves it out"


class AppStep(Node):
    """A node of somebody's own app, marked there with `skippable`; the app itself runs it, or passes it by."""

    kind: ClassVar[str] = "app_step"

    runs: Knob[bool] = choose(True, False)
    """Whether it runs."""


async def _run(node: AppStep, inputs: Inputs, context: Context) -> Message:
    return Message() if node.runs else Message(status=Status.SKIPPED, reason=LEFT_OUT)


def _worst_case(node: AppStep, ask: Ask, incoming: Incoming, speakers: Speakers) -> tuple[CallBound, ...]:
    return ()


KIND = Kind(config=AppStep, run=_run, worst_case=_worst_case, on_demand=True)
