from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apportion.budgets.books import MemoryStore
from apportion.budgets.ledger import Ledger
from apportion.models.card import ModelCard
from apportion.models.metered import Meter, MeteredCaller
from apportion.models.pool import Pool
from apportion.models.replay import ReplayModel
from apportion.models.request import ChatMessage, Reply, Request
from apportion.models.stored_replies import StoredReplies, within
from apportion.models.tools import ToolCall
from apportion.records.usage import Usage
from apportion.testing.scripted import ScriptedModel

CARD = ModelCard(name="m", provider="scripted", attempts=1, truncation="exact", logprobs=True)
REQUEST = Request("m", (ChatMessage("user", "go on"),), max_output_tokens=10, logprobs=True)


def written(request: Request, length: int = 12) -> Reply:
    """A letter a token, up to the cap; the last token ends the reply. What it costs is one a token of prompt."""
    whole = "abcdefghijklmnopqrstuvwxyz"[: length - 1]
    pieces = (*whole, "")[: request.max_output_tokens]
    logprobs = tuple(-0.1 * (place + 1) / 3 for place in range(len(pieces)))
    total = 0.0
    for logprob in logprobs:
        total += logprob
    return Reply(
        "".join(pieces),
        "stop" if len(pieces) == length else "length",
        Usage(5, len(pieces)),
        mean_logprob=total / len(pieces),
        first_token_entropy=0.25,
        response_model="m",
        pieces=pieces,
        logprobs=logprobs,
    )


def capped(cap: int) -> Request:
    return replace(REQUEST, max_output_tokens=cap)


class Desk:
    """A caller on a model whose truncation is exact."""

    def __init__(self, store: MemoryStore | None = None, card: ModelCard = CARD) -> None:
        self.store = store or MemoryStore()
        self.model = ScriptedModel(written, name="m", card=card)
        ledger = Ledger(self.store, "test")
        ledger.open("study", measure="paid")
        self.caller = MeteredCaller(Pool([self.model]), ledger, self.store)
        self.meter = Meter("study", "run", "span")

    def call(self, caps: Sequence[int]) -> list[Reply]:
        async def all_of_them() -> list[Reply]:
            return [await self.caller.call(capped(cap), self.meter) for cap in caps]

        return asyncio.run(all_of_them())

    @property
    def sent(self) -> list[int]:
        return [request.max_output_tokens for request in self.model.requests]


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 15))
def test_a_reply_cut_to_a_cap_is_the_reply_under_that_cap(first: int, second: int, length: int) -> None:
    cut = within(written(capped(first), length), second)
    if cut is None:
        assert second > first
        assert first < length
    else:
        assert cut == written(capped(second), length)


@pytest.mark.parametrize(
    "reply",
    [
        Reply("abc", "stop", None),
        Reply("abc", "content_filter", Usage(5, 3)),
        Reply("abc", "refusal", Usage(5, 3)),
        Reply("abc", "length", Usage(5, 3)),
        Reply("abcdefgh", "stop", Usage(5, 8)),
        replace(written(capped(8)), reasoning="hidden"),
        replace(written(capped(8)), logprobs=()),
    ],
)
def test_what_does_not_tell_is_not_guessed(reply: Reply) -> None:
    assert within(reply, 4) is None


def test_one_long_reply_serves_every_shorter_cap_and_is_charged_as_if_it_were_called() -> None:
    desk, cold = Desk(), [Desk() for _ in range(4)]
    caps = [11, 3, 7, 1]
    assert desk.call(caps) == [alone.call([cap])[0] for alone, cap in zip(cold, caps, strict=True)]
    assert desk.sent == [11]
    balance = desk.caller.ledger.balance("study")
    charged = [alone.caller.ledger.balance("study").charged.tokens for alone in cold]
    assert balance.charged.tokens == sum(charged) == 4 * 5 + sum(caps)
    assert balance.paid.tokens == 5 + 11
    rows = desk.store.calls("run")
    assert [(row.cached, row.charged.tokens, row.finish_reason) for row in rows] == [
        (False, 16, "length"),
        (True, 8, "length"),
        (True, 12, "length"),
        (True, 6, "length"),
    ]
    # The row names the content address of what was asked, whatever reply answered it.
    assert [row.request_key for row in rows] == [capped(cap).key(CARD.fingerprint) for cap in caps]


def test_a_reply_that_ended_by_itself_serves_every_larger_cap() -> None:
    desk = Desk()
    assert desk.call([12, 13, 400, 5]) == [written(capped(cap)) for cap in (12, 12, 12, 5)]
    assert desk.sent == [12]


def test_growing_caps_are_called_until_one_is_enough() -> None:
    desk = Desk()
    caps = [2, 4, 8, 16, 3, 8, 2, 5, 300]
    assert desk.call(caps) == [written(capped(cap)) for cap in caps]
    assert desk.sent == [2, 4, 8, 16]
    # Another process on the same books.
    again = Desk(desk.store)
    assert again.call(caps) == [written(capped(cap)) for cap in caps]
    assert again.sent == []


@given(st.lists(st.integers(1, 15), max_size=8), st.lists(st.integers(1, 15), max_size=8))
@settings(max_examples=30, deadline=None)
def test_cold_and_warm_give_and_charge_the_same(before: list[int], caps: list[int]) -> None:
    warm = Desk()
    warm.call(before)
    spent = warm.meter.charged.tokens
    cold = Desk()
    assert warm.call(caps) == cold.call(caps)
    assert warm.meter.charged.tokens - spent == cold.meter.charged.tokens
    assert len(warm.sent) <= len(set(before)) + len(set(caps))


def test_a_model_whose_truncation_is_not_exact_is_asked_for_each_cap() -> None:
    desk = Desk(card=CARD.model_copy(update={"truncation": "none"}))
    desk.call([11, 3, 11])
    assert desk.sent == [11, 3]


@pytest.mark.parametrize(
    "fields",
    [
        {"response_schema": "{}"},
        {"tools": '[{"function": {"name": "f"}}]'},
        {"further": '{"response_format":{"type":"json_object"}}'},
    ],
)
def test_what_is_made_to_fit_its_cap_is_asked_for_at_each_cap(fields: dict[str, Any]) -> None:
    desk = Desk()

    async def call(cap: int) -> Reply:
        return await desk.caller.call(replace(capped(cap), **fields), desk.meter)

    for cap in (11, 3, 11, 3):
        asyncio.run(call(cap))
    assert desk.sent == [11, 3]


def test_a_reply_that_is_sure_for_its_own_cap_only_is_found_by_it() -> None:
    desk = Desk()
    bare = ScriptedModel(lambda request: Reply("cut", "length", Usage(5, 2)), name="m", card=CARD)
    caller = MeteredCaller(Pool([bare]), desk.caller.ledger, desk.store)

    async def call(cap: int) -> Reply:
        return await caller.call(capped(cap), desk.meter)

    assert asyncio.run(call(3)) == asyncio.run(call(3))
    assert len(bare.requests) == 1
    asyncio.run(call(4))
    assert len(bare.requests) == 2


def test_replies_that_were_stored_under_their_own_address_are_found() -> None:
    desk = Desk()
    warm = Desk(desk.store, CARD.model_copy(update={"truncation": "none"}))
    warm.call([7])
    assert desk.call([7]) == [written(capped(7))]
    assert desk.sent == []


def test_other_samples_seeds_and_temperatures_are_other_replies() -> None:
    known = StoredReplies(MemoryStore(), CARD)
    requests = [REQUEST, REQUEST.with_sample(1), replace(REQUEST, seed=1), replace(REQUEST, temperature=0.5)]
    assert len({known.question(request) for request in requests}) == 4
    assert known.question(REQUEST) == known.question(capped(3)) != known.key(REQUEST)


def test_equal_questions_in_flight_wait_for_each_other() -> None:
    desk = Desk()

    async def together() -> list[Reply]:
        return await asyncio.gather(*(desk.caller.call(capped(cap), desk.meter) for cap in (11, 4, 9, 11)))

    assert asyncio.run(together()) == [written(capped(cap)) for cap in (11, 4, 9, 11)]
    assert desk.sent == [11]


def test_a_replay_answers_shorter_caps_too() -> None:
    desk = Desk()
    desk.call([11])
    replay = ReplayModel(CARD, desk.store)
    assert asyncio.run(replay.complete(capped(6))) == written(capped(6))


def test_the_payload_of_other_models_is_what_it_was() -> None:
    reply = Reply("4", "stop", Usage(5, 1))
    assert "pieces" not in reply.to_json()
    assert Reply.from_json(reply.to_json()) == reply
    whole = written(capped(5))
    assert Reply.from_json(whole.to_json()) == whole


def test_a_reply_that_calls_tools_answers_no_shorter_cap() -> None:
    calling = replace(written(capped(11)), tool_calls=(ToolCall("add", "{}"),))
    assert within(calling, 6) is None
    assert within(written(capped(11)), 6) is not None
