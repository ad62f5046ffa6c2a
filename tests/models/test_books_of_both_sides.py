"""What the endpoint bills against what the ledger books, over real HTTP with every failure in between."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from apportion.budgets.books import MemoryStore
from apportion.budgets.ledger import Ledger
from apportion.errors import BudgetBreach, CallFailed, CapReached
from apportion.models.card import ModelCard
from apportion.models.metered import Meter, MeteredCaller
from apportion.models.openai_compatible import OpenAIModel
from apportion.models.pool import Pool
from apportion.models.request import ChatMessage, Reply, Request
from apportion.models.tools import ToolCall
from apportion.records import Balance, Limit
from apportion.testing.fault_server import Behaviour, FaultServer
from apportion.testing.model import HOSTILE_TEXTS

CALLS = 64
FAULTS = [behaviour for behaviour in Behaviour if behaviour is not Behaviour.OVERRUN]


def behaviours(seed: int) -> Iterator[Behaviour]:
    """One call in five goes wrong, in any way but by ignoring its output cap."""
    draw = random.Random(seed)
    while True:
        yield draw.choice(FAULTS) if draw.random() < 0.2 else Behaviour.OK


CALL = {"id": "1", "type": "function", "function": {"name": "look", "arguments": '{"query": "<a & b>"}'}}
TOOLS = json.dumps([{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}])


def with_tools(seed: int) -> list[Request]:
    """Requests that offer tools, behind turns in which some were called."""
    draw = random.Random(seed)
    made = []
    for plain in requests(seed):
        called = tuple(
            ToolCall("look", draw.choice(['{"query":"a,b:c"}', "{}"]), "1") for _ in range(draw.randrange(3))
        )
        turns = (
            ChatMessage("assistant", "", called),
            *(ChatMessage("tool", "found", tool_call_id="1") for _ in called),
        )
        made.append(replace(plain, messages=(*plain.messages, *(turns if called else ())), tools=TOOLS))
    return made


def requests(seed: int) -> list[Request]:
    draw = random.Random(seed)
    return [
        Request("m", (ChatMessage("user", draw.choice(HOSTILE_TEXTS)),), draw.choice([1, 7, 30, 200]), sample=number)
        for number in range(CALLS)
    ]


async def run(
    base_url: str | list[str], asked: list[Request], cap: int, cancel: float = 0.0
) -> tuple[Balance, list[object]]:
    card = ModelCard(name="m", tools=True, timeout_seconds=2.0, attempts=3, concurrency=CALLS)
    pool = Pool([OpenAIModel(card, base_url)])
    store = MemoryStore()
    ledger = Ledger(store, "test")
    ledger.open("study", limit=Limit("tokens", cap), measure="paid")

    async def at_once(seconds: float) -> None:
        await asyncio.sleep(0)

    if isinstance(base_url, str):
        await pool.check()  # loads the client, which under load takes longer than a call may
    caller = MeteredCaller(pool, ledger, store, sleep=at_once)
    meter = Meter("study", "run", "span")
    calls = [asyncio.create_task(caller.call(request, meter)) for request in asked]
    draw = random.Random(7)
    for call in calls:
        if draw.random() < cancel:
            asyncio.get_running_loop().call_later(draw.random() / 4, call.cancel)
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    await pool.aclose()
    return ledger.balance("study"), list(outcomes)


@pytest.mark.parametrize("seed", range(3))
def test_nothing_billed_is_left_unbooked_and_the_cap_holds(seed: int) -> None:
    cap = 9_000
    with FaultServer(behaviours(seed), reply=lambda body: "word " * 20, bytes_per_token=1) as server:
        balance, outcomes = asyncio.run(run(server.base_url, requests(seed), cap))
        billed = server.billed_tokens
    assert billed <= balance.charged.tokens + balance.lost.tokens <= cap
    assert balance.reserved.tokens == 0
    # The cap is tight enough to stop some calls, and loose enough for most.
    assert any(isinstance(outcome, CapReached) for outcome in outcomes)
    assert billed > cap / 4
    for outcome in outcomes:
        assert not isinstance(outcome, Exception) or isinstance(outcome, CapReached | CallFailed)


@pytest.mark.parametrize("seed", range(3))
def test_the_books_hold_with_replicas_that_fail_and_calls_that_are_cancelled(seed: int) -> None:
    cap = 9_000
    sides: dict[str, Any] = {"reply": lambda body: "word " * 20, "bytes_per_token": 1}
    with (
        FaultServer(behaviours(seed), **sides) as one,
        FaultServer(behaviours(seed + 10), latency=0.05, **sides) as slow,
        FaultServer(answers_as="another", latency=0.02, **sides) as other,
    ):
        urls = [one.base_url, "http://127.0.0.1:9/v1", slow.base_url, other.base_url]
        balance, outcomes = asyncio.run(run(urls, requests(seed), cap, cancel=0.2))
        billed = sum(server.billed_tokens for server in (one, slow, other))
    assert billed <= balance.charged.tokens + balance.lost.tokens <= cap
    assert balance.reserved.tokens == 0
    assert billed > cap / 4
    for outcome in outcomes:
        allowed = (CapReached, CallFailed, asyncio.CancelledError)
        assert not isinstance(outcome, BaseException) or isinstance(outcome, allowed)


def test_an_endpoint_that_ignores_its_cap_is_found_out_and_not_called_again() -> None:
    with FaultServer(reply=lambda body: "word " * 200, cap_fields=("max_tokens",)) as server:
        balance, outcomes = asyncio.run(run(server.base_url, requests(0), 100_000))
        assert any(isinstance(outcome, BudgetBreach) for outcome in outcomes)
        assert server.billed_tokens <= balance.charged.tokens + balance.lost.tokens


@pytest.mark.parametrize("seed", range(2))
def test_tools_and_their_calls_are_booked_too(seed: int) -> None:
    cap, called = 60_000, {"content": "I look.", "tool_calls": [CALL]}
    with FaultServer(behaviours(seed), reply=lambda body: called, bytes_per_token=1) as server:
        balance, outcomes = asyncio.run(run(server.base_url, with_tools(seed), cap))
        billed = server.billed_tokens
    assert billed <= balance.charged.tokens + balance.lost.tokens <= cap
    assert billed > cap / 4
    assert any(isinstance(outcome, Reply) and outcome.tool_calls for outcome in outcomes)
    for outcome in outcomes:
        assert not isinstance(outcome, Exception) or isinstance(outcome, CapReached | CallFailed)
