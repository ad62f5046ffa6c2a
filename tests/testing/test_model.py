"""The conformance suite must catch models that break the contract."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Sequence

import pytest

from apportion.errors import CallFailed
from apportion.models.base import Model
from apportion.models.card import ModelCard
from apportion.models.request import ChatMessage, Reply, Request
from apportion.records.status import Status
from apportion.records.usage import Usage
from apportion.testing.model import ModelConformance


class Parrot:
    """Repeats the prompt, one token a byte; keeps the contract."""

    def __init__(self) -> None:
        self._card = ModelCard(name="parrot", template_tokens=0, message_tokens=0)

    @property
    def card(self) -> ModelCard:
        return self._card

    async def complete(self, request: Request) -> Reply:
        await asyncio.sleep(0)
        prompt = request.messages[0].content.encode()
        if b"\x00" in prompt:
            raise CallFailed(Status.REFUSED, "no zero bytes", billed=False)
        said = prompt[: request.max_output_tokens].decode(errors="ignore")
        return Reply(
            said, "stop" if len(said) == len(prompt) else "length", Usage(len(prompt), len(said.encode())), -0.5, 0.5
        )

    def count_tokens(self, messages: Sequence[ChatMessage]) -> int | None:
        return None

    async def aclose(self) -> None:
        return


class Chatterbox(Parrot):
    """Ignores the output cap."""

    async def complete(self, request: Request) -> Reply:
        return Reply("a" * 99, "stop", Usage(1, 99))


class Normaliser(Parrot):
    """Bills more prompt tokens than there are bytes."""

    async def complete(self, request: Request) -> Reply:
        return Reply("ok", "stop", Usage(3 * len(request.messages[0].content.encode()) + 50, 1))


class Clinger(Parrot):
    """Turns cancellation into a failure."""

    async def complete(self, request: Request) -> Reply:
        try:
            return await super().complete(request)
        except asyncio.CancelledError:
            raise CallFailed(Status.CANCELLED, "stopped") from None


class Homebody(Parrot):
    """Is tied to the first event loop that it sees."""

    def __init__(self) -> None:
        super().__init__()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def complete(self, request: Request) -> Reply:
        loop = asyncio.get_running_loop()
        self._loop = self._loop or loop
        if self._loop is not loop:
            raise RuntimeError("attached to a different loop")
        return await super().complete(request)


class Raiser(Parrot):
    """Fails with an exception of its own."""

    async def complete(self, request: Request) -> Reply:
        if not request.messages[0].content:
            raise ValueError("empty")
        return await super().complete(request)


class Miscounter(Parrot):
    """Counts fewer tokens than it bills."""

    def count_tokens(self, messages: Sequence[ChatMessage]) -> int | None:
        return 0


def failures(model: type[Parrot]) -> set[str]:
    class Suite(ModelConformance):
        deterministic = True

        def make_model(self) -> Model:
            return model()

    failed = set()
    for name, test in inspect.getmembers(Suite(), inspect.ismethod):
        if name.startswith("test_"):
            try:
                test()
            except (AssertionError, CallFailed, RuntimeError, ValueError):
                failed.add(name)
    return failed


def test_a_model_that_keeps_the_contract_passes() -> None:
    assert failures(Parrot) == set()


@pytest.mark.parametrize(
    ("model", "test"),
    [
        (Chatterbox, "test_the_output_cap_holds"),
        (Normaliser, "test_hostile_text_stays_within_the_bound_of_its_prompt"),
        (Clinger, "test_cancellation_reaches_the_caller"),
        (Homebody, "test_it_can_be_used_in_one_event_loop_after_another"),
        (Raiser, "test_hostile_text_stays_within_the_bound_of_its_prompt"),
        (Miscounter, "test_a_count_of_tokens_is_a_bound"),
    ],
)
def test_a_model_that_breaks_it_fails(model: type[Parrot], test: str) -> None:
    assert test in failures(model)
