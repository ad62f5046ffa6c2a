"""A node kind that notes what it was given, and a pool of two models that answer by echo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import pytest

from apportion.models.card import ModelCard
from apportion.models.pool import Pool
from apportion.models.request import ChatMessage, Reply, Request
from apportion.nodes.base import CallBound, Context, Inputs, Kind, Node
from apportion.nodes.kinds import kinds_with
from apportion.nodes.knob import ANY_MODEL, Knob
from apportion.records.message import Message
from apportion.records.usage import Usage


class Echo(Node):
    """Answers with its name and what it read; calls no model."""

    kind: ClassVar[str] = "echo"

    model: Knob[str] = ANY_MODEL
    width: Knob[int] = 1


async def _echo(node: Echo, inputs: Inputs, context: Context) -> Message:
    read = ",".join(f"{name}={message.answer}" for name, message in inputs.messages.items())
    return Message(answer=f"{context.node}({read})")


class EchoModel:
    """Answers every request with its last message; counts its calls."""

    def __init__(self, name: str) -> None:
        self.card = ModelCard(name=name, provider="echo")
        self.requests: list[Request] = []

    async def complete(self, request: Request) -> Reply:
        self.requests.append(request)
        text = request.messages[-1].content
        return Reply(text, "stop", Usage(len(text), len(text)))

    def count_tokens(self, messages: Sequence[ChatMessage]) -> int | None:
        return None

    async def aclose(self) -> None:
        return None


KIND = Kind(config=Echo, run=_echo, worst_case=lambda *_: (CallBound("small", 10, 1, 5),))


@pytest.fixture
def kinds() -> Any:
    return kinds_with(KIND)


@pytest.fixture
def echo() -> type[Echo]:
    return Echo


@pytest.fixture
def pool() -> Pool:
    return Pool([EchoModel("small"), EchoModel("large")])
