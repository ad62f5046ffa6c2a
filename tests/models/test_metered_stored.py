"""Replies that are stored, and what they are charged."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from apportion.errors import BudgetBreach
from apportion.models.card import ModelCard
from apportion.models.metered import Meter, MeteredCaller
from apportion.models.pool import Pool
from apportion.models.request import Reply, Request
from apportion.records import Amount, Balance, Limit, Usage

from .test_metered import REQUEST, Desk, Scripted, reply


def test_the_second_equal_request_is_charged_but_not_paid_again() -> None:
    model = Scripted(lambda _: reply())
    desk = Desk(model)
    asyncio.run(desk.call())
    asyncio.run(desk.call())
    assert model.attempts == 1
    assert desk.meter.charged.tokens == 30
    assert desk.balance.paid.tokens == 15
    assert [row.cached for row in desk.store.calls("run")] == [False, True]


def test_equal_requests_in_flight_are_sent_once() -> None:
    model = Scripted(lambda _: reply())
    desk = Desk(model)

    async def story() -> None:
        await asyncio.gather(*(desk.call() for _ in range(10)))

    asyncio.run(story())
    assert model.attempts == 1
    assert desk.meter.charged.tokens == 150


def test_a_stored_reply_that_the_card_of_today_does_not_bound_is_a_breach_before_it_is_charged() -> None:
    generous = Scripted(lambda _: reply(output=25), ModelCard(name="m", template_tokens=0, output_slack_tokens=9))
    desk = Desk(generous)
    asyncio.run(desk.call())
    strict = Scripted(lambda _: reply(), ModelCard(name="m", template_tokens=0, message_tokens=0))
    desk.ledger.open("other", limit=Limit("tokens", 30))
    caller = MeteredCaller(Pool([strict]), desk.ledger, desk.store)
    with pytest.raises(BudgetBreach):
        asyncio.run(caller.call(REQUEST, Meter("other", "run 2", "span")))
    assert desk.ledger.balance("other") == Balance()


def test_a_stored_reply_is_charged_by_the_card_of_today() -> None:
    dear = Scripted(lambda _: reply(), ModelCard(name="m", weight=1.0, template_tokens=0, message_tokens=0))
    desk = Desk(dear)
    asyncio.run(desk.call())
    cheap = Scripted(lambda _: reply(), ModelCard(name="m", weight=0.1, template_tokens=0, message_tokens=0))
    desk.ledger.open("other", limit=Limit("weighted", 3_000_000))
    caller = MeteredCaller(Pool([cheap]), desk.ledger, desk.store)
    asyncio.run(caller.call(REQUEST, Meter("other", "run 2", "span")))
    assert cheap.attempts == 0
    assert desk.ledger.balance("other").charged == Amount(15, 1_500_000)


def test_a_stored_reply_without_usage_costs_what_it_did_at_first() -> None:
    model = Scripted(lambda _: Reply("text", "stop", None))
    desk = Desk(model)
    asyncio.run(desk.call())
    again = Meter("study", "run 2", "span")
    asyncio.run(desk.caller.call(REQUEST, again))
    assert model.attempts == 1
    assert (again.charged, again.lost) == (desk.meter.charged, desk.meter.lost)
    assert desk.balance.paid.tokens == 30


def test_equal_requests_of_several_event_loops_are_sent_once() -> None:
    model = Scripted(lambda _: reply())
    desk = Desk(model)
    said: list[str] = []
    sent = threading.Event()
    go_on = threading.Event()

    async def hanging(request: Request) -> Reply:
        model.attempts += 1
        sent.set()
        await asyncio.to_thread(go_on.wait, 30)
        return reply()

    model.complete = hanging  # type: ignore[method-assign]

    def in_own_loop() -> None:
        said.append(asyncio.run(asyncio.wait_for(desk.caller.call(REQUEST, Meter("study", "run", "span")), 30)).text)

    threads = [threading.Thread(target=in_own_loop) for _ in range(4)]
    threads[0].start()
    assert sent.wait(30)
    for thread in threads[1:]:
        thread.start()
    time.sleep(0.05)
    go_on.set()
    for thread in threads:
        thread.join()
    assert said == ["text"] * 4
    assert model.attempts == 1
    assert (desk.balance.charged.tokens, desk.balance.paid.tokens) == (60, 15)


def test_a_reply_stored_by_another_while_this_call_waited_for_room_is_not_paid_again() -> None:
    model = Scripted(lambda _: reply())
    desk = Desk(model, limit=45)
    elsewhere = MeteredCaller(Pool([model]), desk.ledger, desk.store)

    async def story() -> None:
        held = await desk.ledger.reserve("study", Amount(40))
        waiting = asyncio.create_task(desk.call())
        await asyncio.sleep(0)
        desk.ledger.open("elsewhere")
        await elsewhere.call(REQUEST, Meter("elsewhere", "run 2", "span"))
        desk.ledger.release(held)
        assert (await waiting).text == "text"

    asyncio.run(story())
    assert model.attempts == 1
    assert desk.balance == Balance(charged=Amount(15, 15_000_000))


def test_reasoning_is_apart_from_the_answer_also_in_a_reply_from_the_cache() -> None:
    said = "<think>6*7</think>42"
    model = Scripted(lambda _: Reply(said, "stop", Usage(10, 5)))
    desk = Desk(model)
    replies = [asyncio.run(desk.call()) for _ in range(2)]
    assert model.attempts == 1
    assert [(reply.text, reply.reasoning) for reply in replies] == [("42", "6*7")] * 2
    assert {row.output_text for row in desk.store.calls("run")} == {said}
