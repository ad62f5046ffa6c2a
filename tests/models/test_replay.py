from __future__ import annotations

import asyncio

import pytest

from apportion.errors import CallFailed
from apportion.models.card import ModelCard
from apportion.models.replay import ReplayModel
from apportion.models.request import ChatMessage, Reply, Request
from apportion.records.rows import StoredReply
from apportion.records.status import Status
from apportion.records.usage import Amount, Usage

CARD = ModelCard(name="m", served_as="org/m", dialect="chat")
REQUEST = Request("m", (ChatMessage("user", "2+2?"),), max_output_tokens=16)
REPLY = Reply("4", "stop", Usage(5, 1), mean_logprob=-0.1)


class Replies:
    def __init__(self, *stored: StoredReply) -> None:
        self._stored = {reply.request_key: reply for reply in stored}

    def get(self, request_key: str) -> StoredReply | None:
        return self._stored.get(request_key)


STORED = Replies(StoredReply(REQUEST.key(CARD.fingerprint), REPLY.to_json(), Amount(6)))


def test_what_was_stored_is_answered() -> None:
    model = ReplayModel(CARD, STORED)
    assert asyncio.run(model.complete(REQUEST)) == REPLY
    assert model.count_tokens(REQUEST.messages) is None
    asyncio.run(model.aclose())


def test_another_name_in_the_pool_is_the_same_model() -> None:
    model = ReplayModel(CARD.model_copy(update={"name": "other"}), STORED)
    assert asyncio.run(model.complete(REQUEST)) == REPLY


@pytest.mark.parametrize(
    ("card", "request_"),
    [
        (CARD, REQUEST.with_sample(1)),
        (CARD.model_copy(update={"revision": "2"}), REQUEST),
    ],
)
def test_anything_else_is_refused_at_no_cost(card: ModelCard, request_: Request) -> None:
    with pytest.raises(CallFailed, match=r"'m' only replays.*not among the stored") as failure:
        asyncio.run(ReplayModel(card, STORED).complete(request_))
    assert (failure.value.status, failure.value.billed, failure.value.retryable) == (Status.REFUSED, False, False)
