"""Models that behave as badly as models do, for tests of what serves a batch under a cap."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest

from apportion.budgets.books import MemoryStore
from apportion.errors import CallFailed
from apportion.models.request import Reply, Request
from apportion.records import Status, Usage
from apportion.testing.scripted import ScriptedModel


def wild_script(store: MemoryStore, draw: random.Random, seen: list[int]) -> Callable[[Request], Reply]:
    """Usage from one token to the bound, counts that are missing, calls that fail billed and unbilled.

    Args:
        store: has one batch; what stands in its books at each call is added to `seen`.
        draw: what happens.
        seen: in tokens.
    """

    def wild(request: Request) -> Reply:
        balance = store.balance(next(row for row in store._chains if row.startswith("batch-")))
        seen.append(balance.charged.tokens + balance.lost.tokens + balance.reserved.tokens)
        kind = draw.random()
        if kind < 0.1:
            raise CallFailed(Status.PROVIDER_ERROR, "down", billed=draw.random() < 0.5)
        prompt = sum(len(message.content) + 2 for message in request.messages) + 2
        usage = None if kind < 0.2 else Usage(draw.randint(1, prompt), draw.randint(1, request.max_output_tokens))
        return Reply(draw.choice(["Answer: yes", "Answer: no", "well"])[: request.max_output_tokens], "stop", usage)

    return wild


class Late(ScriptedModel):
    """Later calls answer first."""

    async def complete(self, request: Request) -> Reply:
        await asyncio.sleep(random.Random(len(self.requests)).random() * 0.004)
        return await super().complete(request)


@pytest.fixture(scope="session")
def wild() -> Callable[[MemoryStore, random.Random, list[int]], Callable[[Request], Reply]]:
    return wild_script


@pytest.fixture(scope="session")
def late() -> type[ScriptedModel]:
    return Late
