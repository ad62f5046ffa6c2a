"""A node kind that says what it read, node kinds from functions, and a pool of two scripted models."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

import pytest

from apportion.models.pool import Pool
from apportion.models.request import Request
from apportion.nodes.base import CallBound, Context, Inputs, Kind, Node
from apportion.nodes.kinds import kinds_with
from apportion.nodes.knob import ANY_MODEL, Knob
from apportion.records.message import Message
from apportion.testing.scripted import ScriptedModel


class Echo(Node):
    """Answers with its name and what it read; calls no model."""

    kind: ClassVar[str] = "echo"

    model: Knob[str] = ANY_MODEL
    width: Knob[int] = 1


async def _echo(node: Echo, inputs: Inputs, context: Context) -> Message:
    read = ",".join(f"{name}={message.answer}" for name, message in inputs.messages.items())
    return Message(answer=f"{context.node}({read})")


def _say(request: Request) -> str:
    return "said"


KIND = Kind(config=Echo, run=_echo, worst_case=lambda *_: (CallBound("small", 10, 1, 5),))


@pytest.fixture
def kinds() -> Any:
    return kinds_with(KIND)


@pytest.fixture
def echo() -> type[Echo]:
    return Echo


@pytest.fixture
def pool() -> Pool:
    return Pool([ScriptedModel(_say, name="small"), ScriptedModel(_say, name="large")])


@pytest.fixture
def made_of() -> Callable[..., tuple[type[Node], Any]]:
    """Makes a node class and the table of kinds with it, from the code that the node is to run."""

    def make(run: Callable[[Any, Inputs, Context], Awaitable[Message]], *bounds: CallBound) -> tuple[type[Node], Any]:
        return Echo, kinds_with(Kind(config=Echo, run=run, worst_case=lambda *_: bounds))

    return make
