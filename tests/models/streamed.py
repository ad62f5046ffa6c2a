"""A metered caller in front of a model whose streams are scripted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from apportion.budgets.books import MemoryStore
from apportion.budgets.ledger import Ledger
from apportion.models.card import ModelCard
from apportion.models.delta import Delta
from apportion.models.metered import Meter, MeteredCaller
from apportion.models.openai_compatible import OpenAIModel
from apportion.models.pool import Pool
from apportion.models.request import ChatMessage, Reply, Request
from apportion.records import Balance, Limit, Status, Usage
from apportion.testing.scripted import ScriptedModel

Item = Delta | Reply | BaseException
REQUEST = Request("m", (ChatMessage("user", "0123456789"),), max_output_tokens=20)
"""Bounded by 10 + 20 tokens."""


class Streamed:
    """Gives, in the n-th attempt, what the script says."""

    def __init__(self, *script: Sequence[Item], card: ModelCard | None = None) -> None:
        self.card = card or ModelCard(name="m", template_tokens=0, message_tokens=0)
        self.script = script
        self.attempts = 0
        self.closed = 0

    async def complete(self, request: Request) -> Reply:
        raise AssertionError("it is to be streamed")

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        self.attempts += 1
        try:
            for item in self.script[self.attempts - 1]:
                await asyncio.sleep(0)
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            self.closed += 1

    def count_tokens(self, messages: Sequence[ChatMessage]) -> int | None:
        return None

    async def aclose(self) -> None:
        return


class Desk:
    def __init__(self, model: Streamed | ScriptedModel | OpenAIModel, limit: int = 1000) -> None:
        self.store = MemoryStore()
        self.ledger = Ledger(self.store, "test")
        self.ledger.open("study", limit=Limit("tokens", limit), measure="paid")
        self.ledger.open("task", parent="study", limit=Limit("tokens", limit))
        self.waits: list[float] = []
        self.caller = MeteredCaller(Pool([model]), self.ledger, self.store, sleep=self._sleep)
        self.meter = Meter("task", "run", "span")

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    def stream(self, request: Request = REQUEST) -> AsyncGenerator[Delta | Reply, None]:
        return self.caller.stream(request, self.meter)

    async def read(self, request: Request = REQUEST) -> list[Delta | Reply]:
        return [item async for item in self.stream(request)]

    @property
    def balance(self) -> Balance:
        assert self.ledger.balance("study").lost == self.ledger.balance("task").lost
        return self.ledger.balance("task")

    @property
    def outcomes(self) -> list[Status]:
        return [row.outcome for row in self.store.calls("run")]


WHOLE = Reply("one two", "stop", Usage(10, 5))
PIECES = [Delta(text="one "), Delta(text="two"), Delta(usage=Usage(10, 5))]
