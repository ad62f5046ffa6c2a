from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from apportion.budgets.books import MemoryStore
from apportion.budgets.ledger import Ledger
from apportion.errors import BudgetBreach, CallFailed, CapReached
from apportion.models.card import ModelCard
from apportion.models.metered import Meter, MeteredCaller, call_bound
from apportion.models.pool import Pool
from apportion.models.request import ChatMessage, Reply, Request
from apportion.records import Amount, Balance, Limit, Status, Usage

Script = Callable[[int], Reply | CallFailed]


class Scripted:
    """Answers the n-th attempt as the script says, and counts attempts."""

    def __init__(self, script: Script, card: ModelCard | None = None) -> None:
        self.card = card or ModelCard(name="m", template_tokens=0, message_tokens=0)
        self.script = script
        self.attempts = 0
        self.hang = asyncio.Event()
        self.hang.set()

    async def complete(self, request: Request) -> Reply:
        self.attempts += 1
        await self.hang.wait()
        outcome = self.script(self.attempts)
        if isinstance(outcome, CallFailed):
            raise outcome
        return outcome

    def count_tokens(self, messages: Sequence[ChatMessage]) -> int | None:
        return None

    async def aclose(self) -> None:
        return


def reply(output: int = 5, finish: str = "stop", usage: Usage | None = None) -> Reply:
    return Reply("text", finish, usage or Usage(10, output))  # type: ignore[arg-type]


REQUEST = Request("m", (ChatMessage("user", "0123456789"),), max_output_tokens=20)
"""Bounded by 10 + 20 tokens."""


class Desk:
    def __init__(self, model: Scripted, limit: int = 1000) -> None:
        self.store = MemoryStore()
        self.ledger = Ledger(self.store, "test")
        self.ledger.open("study", limit=Limit("tokens", limit), measure="paid")
        self.waits: list[float] = []
        self.caller = MeteredCaller(Pool([model]), self.ledger, self.store, sleep=self._sleep)
        self.meter = Meter("study", "run", "span")

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    async def call(self, request: Request = REQUEST) -> Reply:
        return await self.caller.call(request, self.meter)

    @property
    def balance(self) -> Balance:
        return self.ledger.balance("study")


def test_reserves_the_bound_and_charges_the_usage() -> None:
    model = Scripted(lambda _: reply())
    assert call_bound(model, REQUEST).tokens == 30
    desk = Desk(model, limit=30)
    assert asyncio.run(desk.call()).text == "text"
    assert desk.balance == replace(Balance(), charged=desk.meter.charged, paid=desk.meter.charged)
    assert desk.meter.charged.tokens == 15
    (row,) = desk.store.calls("run")
    assert (row.outcome, row.charged.tokens, row.bound.tokens, row.attempt) == (Status.OK, 15, 30, 1)


def test_what_an_endpoint_writes_beyond_its_cap_is_in_the_bound() -> None:
    card = ModelCard(name="m", template_tokens=0, message_tokens=0, output_slack_tokens=3, max_output_tokens=12)
    assert call_bound(Scripted(lambda _: reply(), card), REQUEST).tokens == 10 + 12 + 3


def test_nothing_is_sent_when_the_bound_does_not_fit() -> None:
    model = Scripted(lambda _: reply())
    desk = Desk(model, limit=29)
    with pytest.raises(CapReached):
        asyncio.run(desk.call())
    assert model.attempts == 0
    assert desk.store.calls("run") == []


def test_another_sample_is_another_request() -> None:
    model = Scripted(lambda _: reply())
    desk = Desk(model)
    asyncio.run(desk.call())
    asyncio.run(desk.call(REQUEST.with_sample(1)))
    assert model.attempts == 2


def test_every_attempt_has_its_own_reservation_and_row() -> None:
    busy = CallFailed(Status.PROVIDER_ERROR, "429", billed=False, retryable=True, retry_after=7.0)
    broken = CallFailed(Status.PROVIDER_ERROR, "502", retryable=True)
    outcomes: list[Reply | CallFailed] = [busy, broken, reply()]
    model = Scripted(lambda attempt: outcomes[attempt - 1])
    desk = Desk(model)
    asyncio.run(desk.call())
    rows = desk.store.calls("run")
    assert [row.attempt for row in rows] == [1, 2, 3]
    assert len({row.reservation_id for row in rows}) == 3
    assert (desk.meter.charged.tokens, desk.meter.lost.tokens) == (15, 30)
    assert desk.waits[0] == 7.0
    assert 1.0 <= desk.waits[1] <= 1.25


def test_gives_up_after_the_attempts_of_the_card() -> None:
    card = ModelCard(name="m", attempts=2)
    model = Scripted(lambda _: CallFailed(Status.TIMEOUT, "slow", retryable=True), card)
    desk = Desk(model)
    with pytest.raises(CallFailed, match="slow"):
        asyncio.run(desk.call())
    assert model.attempts == 2


def test_a_failure_that_was_not_billed_costs_nothing() -> None:
    model = Scripted(lambda _: CallFailed(Status.PROVIDER_ERROR, "401", billed=False))
    desk = Desk(model)
    with pytest.raises(CallFailed):
        asyncio.run(desk.call())
    assert desk.balance == Balance()
    assert desk.store.calls("run")[0].outcome is Status.PROVIDER_ERROR


def test_a_discarded_reply_with_known_usage_loses_that_usage() -> None:
    model = Scripted(lambda _: CallFailed(Status.FILTERED, "filtered", usage=Usage(10, 2)))
    desk = Desk(model)
    with pytest.raises(CallFailed):
        asyncio.run(desk.call())
    assert desk.balance.lost.tokens == 12


@pytest.mark.parametrize(
    "usage",
    [
        None,
        Usage(-1, 5),
        Usage(10, -5),
        Usage(0, 5),
        Usage(10, 0),
        Usage(0, 0),
        Usage(2**70, 5),
        Usage(float("nan"), 5),  # type: ignore[arg-type]
        Usage(None, 5),  # type: ignore[arg-type]
    ],
)
def test_without_credible_usage_the_reservation_is_lost_and_the_reply_kept(usage: Usage | None) -> None:
    model = Scripted(lambda _: Reply("text", "stop", usage))
    desk = Desk(model)
    assert asyncio.run(desk.call()).text == "text"
    assert (desk.meter.charged.tokens, desk.meter.lost.tokens) == (0, 30)


def test_a_reply_cut_at_its_cap_is_charged_at_least_the_cap() -> None:
    model = Scripted(lambda _: reply(output=19, finish="length"))
    desk = Desk(model)
    asyncio.run(desk.call())
    assert desk.meter.charged.tokens == 30


def test_a_cancelled_call_loses_its_reservation() -> None:
    model = Scripted(lambda _: reply())
    desk = Desk(model)

    async def story() -> None:
        model.hang.clear()
        calling = asyncio.create_task(desk.call())
        await asyncio.sleep(0.01)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling

    asyncio.run(story())
    assert desk.balance.lost.tokens == 30
    assert desk.store.calls("run")[0].outcome is Status.CANCELLED


def test_after_a_cancelled_call_the_waiting_one_makes_its_own_attempt() -> None:
    model = Scripted(lambda _: reply())
    desk = Desk(model)

    async def story() -> None:
        model.hang.clear()
        first = asyncio.create_task(desk.call())
        await asyncio.sleep(0.01)
        second = asyncio.create_task(desk.call())
        await asyncio.sleep(0.01)
        first.cancel()
        model.hang.set()
        assert (await second).text == "text"

    asyncio.run(story())
    assert model.attempts == 2


def test_a_breach_is_booked_in_full_and_the_model_is_not_called_again() -> None:
    model = Scripted(lambda _: reply(output=500))
    desk = Desk(model)
    with pytest.raises(BudgetBreach, match="reserved 30"):
        asyncio.run(desk.call())
    assert desk.balance.charged.tokens == 510
    with pytest.raises(BudgetBreach):
        asyncio.run(desk.call(REQUEST.with_sample(1)))
    assert model.attempts == 1


def test_a_model_without_an_output_cap_is_refused() -> None:
    model = Scripted(lambda _: reply(), ModelCard(name="m", output_cap="ignored"))
    desk = Desk(model)
    with pytest.raises(CallFailed, match="no output cap") as refused:
        asyncio.run(desk.call())
    assert refused.value.status is Status.REFUSED
    assert model.attempts == 0


def test_the_output_cap_is_lowered_to_the_cards() -> None:
    model = Scripted(lambda _: reply(), ModelCard(name="m", max_output_tokens=8, template_tokens=0, message_tokens=0))
    desk = Desk(model, limit=18)
    asyncio.run(desk.call())
    assert desk.store.calls("run")[0].request_max_tokens == 8


def test_amounts_are_in_all_units() -> None:
    card = ModelCard(name="m", weight=0.5, input_usd_per_million=1.0, output_usd_per_million=10.0)
    assert card.amount(10, 5) == Amount(tokens=15, weighted=7_500_000, usd=60_000)


def test_a_response_schema_is_part_of_the_bound() -> None:
    model = Scripted(lambda _: reply())
    with_schema = replace(REQUEST, response_schema='{"type":"object"}')
    assert call_bound(model, with_schema).tokens == call_bound(model, REQUEST).tokens + 17


def test_an_empty_reply_may_take_no_output_tokens() -> None:
    model = Scripted(lambda _: Reply("", "stop", Usage(10, 0)))
    desk = Desk(model)
    asyncio.run(desk.call())
    assert (desk.meter.charged.tokens, desk.meter.lost.tokens) == (10, 0)


@pytest.mark.parametrize("said", [None, "text", Reply("text", "stop", "15")])  # type: ignore[arg-type]
def test_a_model_that_returns_no_reply_loses_the_reservation(said: object) -> None:
    model = Scripted(lambda _: said)  # type: ignore[arg-type,return-value]
    desk = Desk(model)
    with pytest.raises(AttributeError):
        asyncio.run(desk.call())
    assert desk.balance == Balance(lost=Amount(30, 30_000_000), paid=Amount(30, 30_000_000))
    assert desk.store.calls("run")[0].outcome is Status.PROVIDER_ERROR


@pytest.mark.parametrize("usage", [Usage(-10, 5), Usage(0, 0), Usage(10, 2**40)])
def test_a_failure_without_credible_usage_loses_the_reservation(usage: Usage) -> None:
    model = Scripted(lambda _: CallFailed(Status.PROVIDER_ERROR, "broken", usage=usage))
    desk = Desk(model)
    with pytest.raises(CallFailed):
        asyncio.run(desk.call())
    assert desk.balance.lost.tokens == 30


def test_a_failure_that_used_more_than_its_reservation_is_a_breach() -> None:
    model = Scripted(lambda _: CallFailed(Status.PROVIDER_ERROR, "odd", usage=Usage(10, 500), retryable=True))
    desk = Desk(model)
    with pytest.raises(BudgetBreach):
        asyncio.run(desk.call())
    assert model.attempts == 1
    assert desk.balance.lost.tokens == 510
    with pytest.raises(BudgetBreach):
        asyncio.run(desk.call(REQUEST.with_sample(1)))
    assert model.attempts == 1


def test_the_reply_of_a_breach_is_not_kept_where_it_would_pass_the_next_cap() -> None:
    outputs = [500, 5]
    model = Scripted(lambda attempt: reply(output=outputs[attempt - 1]))
    desk = Desk(model)
    with pytest.raises(BudgetBreach):
        asyncio.run(desk.call())
    desk.ledger.open("other", limit=Limit("tokens", 30))
    mended = MeteredCaller(Pool([model]), desk.ledger, desk.store)
    asyncio.run(mended.call(REQUEST, Meter("other", "run 2", "span")))
    assert desk.ledger.balance("other").charged.tokens == 15


def test_a_reply_that_was_cut_off_within_its_reasoning_is_starved() -> None:
    desk = Desk(Scripted(lambda _: Reply("<think>maybe Answer: 5", "length", Usage(10, 20))))
    assert asyncio.run(desk.call()).text == ""
    assert [row.outcome for row in desk.store.calls("run")] == [Status.STARVED]


def test_where_another_endpoint_stands_ready_the_next_attempt_does_not_wait() -> None:
    def script(number: int) -> Reply | CallFailed:
        failed = CallFailed(Status.PROVIDER_ERROR, "down", billed=False, retryable=True, retry_after=900.0)
        failed.at_once = True
        return reply() if number == 3 else failed

    desk = Desk(Scripted(script))
    assert asyncio.run(desk.call()).text == "text"
    assert desk.waits == []
    assert len({row.reservation_id for row, _ in desk.meter.booked}) == 3


def test_extra_fields_of_every_request_are_part_of_the_bound() -> None:
    card = ModelCard(name="m", template_tokens=0, message_tokens=0, extra_body={"top_p": 0.9})
    assert call_bound(Scripted(lambda _: reply(), card), REQUEST).tokens == 30 + len('{"top_p":0.9}')


def test_further_fields_of_the_caller_are_part_of_the_bound() -> None:
    model = Scripted(lambda _: reply())
    further = replace(REQUEST, further='{"top_p":0.5}')
    assert call_bound(model, further).tokens == call_bound(model, REQUEST).tokens + 13


def test_reasoning_that_an_endpoint_tells_apart_is_on_the_books() -> None:
    desk = Desk(Scripted(lambda attempt: replace(reply(), reasoning="6 sevens")))
    for _ in range(2):
        asyncio.run(desk.caller.call(REQUEST, desk.meter))
    fresh, cached = desk.store.calls("run")
    assert cached.cached
    assert [(row.output_text, row.reasoning_text) for row in (fresh, cached)] == [("text", "6 sevens")] * 2
