from __future__ import annotations

import asyncio
import json
import selectors
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.errors import CallFailed
from apportion.models.card import ModelCard
from apportion.models.endpoint import Endpoint
from apportion.models.openai_compatible import OpenAIModel
from apportion.models.pace import Pace, Turn
from apportion.models.request import ChatMessage, Request
from apportion.records.status import Status

SIZES = st.integers(1, 100)
LATER = st.floats(0, 90, allow_nan=False)


@given(st.lists(st.tuples(LATER, SIZES, st.booleans()), max_size=40))
def test_no_minute_holds_more_tokens_than_the_limit_and_nobody_is_overtaken(
    asked: list[tuple[float, int, bool]],
) -> None:
    pace, now, turns = Pace(tokens_per_minute=100), 0.0, list[Turn]()
    for later, tokens, leaves in asked:
        now += later
        assert pace.start(now, tokens) == pace.start(now, tokens)
        turn = pace.book(now, tokens)
        assert turn.start >= now
        if leaves:
            turns.append(turn)
        else:
            pace.give_back(turn)
    assert [turn.start for turn in turns] == sorted(turn.start for turn in turns)
    for last in turns:
        minute = [turn.tokens for turn in turns if turn.start <= last.start < turn.start + 60.0]
        assert sum(minute) <= 100


def test_a_call_waits_no_longer_than_it_must() -> None:
    pace = Pace(tokens_per_minute=100)
    assert [pace.book(0.0, 50).start for _ in range(5)] == [0.0, 0.0, 60.0, 60.0, 120.0]
    assert pace.book(200.0, 50).start == 200.0


def test_requests_are_evenly_spaced_beside_tokens() -> None:
    pace = Pace(requests_per_minute=60, tokens_per_minute=30)
    assert [pace.book(0.0, 10).start for _ in range(4)] == [0.0, 1.0, 2.0, 60.0]


def test_what_is_given_back_is_there_for_others() -> None:
    pace = Pace(tokens_per_minute=100)
    turn = pace.book(0.0, 100)
    assert pace.start(0.0, 100) == 60.0
    pace.give_back(turn)
    pace.give_back(turn)
    assert pace.start(0.0, 100) == 0.0


def test_without_limits_nobody_waits() -> None:
    pace = Pace()
    assert pace.admits(10**9)
    assert pace.book(5.0, 10**9).start == pace.start(5.0, 10**9) == 5.0
    assert not Pace(tokens_per_minute=5).admits(6)


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose clock moves only when there is nothing to do until the next timer."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self.now


class _Selector(selectors.SelectSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        self._loop.now += timeout or 0.0
        return super().select(0 if timeout is not None else None)


class Recorded(Endpoint):
    """Answers after some seconds, and notes when it was asked for what."""

    def __init__(self) -> None:
        super().__init__("http://localhost:1/v1")
        self.asked: list[tuple[float, str]] = []

    async def complete(self, content: bytes, seconds: float) -> bytes:
        self.asked.append((asyncio.get_running_loop().time(), json.loads(content)["messages"][0]["content"]))
        await asyncio.sleep(0.5)
        choice = {"message": {"content": "ok"}, "finish_reason": "stop"}
        return json.dumps({"choices": [choice], "usage": {"prompt_tokens": 5, "completion_tokens": 1}}).encode()


def request(text: str) -> Request:
    return Request("m", (ChatMessage("user", text),), max_output_tokens=16)


def model(endpoint: Endpoint, **card: Any) -> OpenAIModel:
    fields = {"name": "m", "template_tokens": 0, "message_tokens": 0, "attempts": 1, **card}
    return OpenAIModel.on(ModelCard(**fields), endpoint)


def test_calls_wait_for_tokens_in_the_order_in_which_they_came() -> None:
    endpoint = Recorded()
    limited = model(endpoint, tokens_per_minute=2 * (16 + 1))  # a letter is a byte at most

    async def ask() -> None:
        await asyncio.gather(*(limited.complete(request(text)) for text in "abcdef"))

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(ask())
    assert endpoint.asked == [(0, "a"), (0, "b"), (60, "c"), (60, "d"), (120, "e"), (120, "f")]


def test_a_call_that_is_cancelled_while_it_waits_leaves_its_room_to_others() -> None:
    endpoint = Recorded()
    limited = model(endpoint, tokens_per_minute=17)

    async def ask() -> None:
        calls = [asyncio.create_task(limited.complete(request(text))) for text in "abc"]
        await asyncio.sleep(1)
        for call in calls[1:]:
            call.cancel()
        await asyncio.wait(calls)
        await limited.complete(request("d"))

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(ask())
    assert endpoint.asked == [(0, "a"), (60, "d")]


def test_a_call_that_never_fits_is_refused_and_not_sent() -> None:
    endpoint = Recorded()
    with pytest.raises(CallFailed, match=r"never fits.*tokens_per_minute = 10.*lower max_output_tokens") as caught:
        asyncio.run(model(endpoint, tokens_per_minute=10).complete(request("a")))
    assert caught.value.status is Status.REFUSED
    assert not caught.value.billed
    assert endpoint.asked == []


def test_a_pace_holds_for_all_loops_of_the_process() -> None:
    endpoint = Recorded()
    limited = model(endpoint, tokens_per_minute=17)
    for text, sooner in (("a", 0.0), ("b", 10.0)):
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            loop = runner.get_loop()
            assert isinstance(loop, VirtualLoop)
            loop.now = sooner
            runner.run(limited.complete(request(text)))  # type: ignore[arg-type, unused-ignore]
    assert endpoint.asked == [(0, "a"), (60, "b")]
