"""What a paid reply is worth: over real HTTP, through the ledger, in the forms that endpoints send."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from apportion.budgets.books import MemoryStore
from apportion.budgets.ledger import Ledger
from apportion.errors import BudgetBreach, CallFailed
from apportion.models.card import ModelCard
from apportion.models.metered import Meter, MeteredCaller
from apportion.models.openai_compatible import OpenAIModel
from apportion.models.pool import Pool
from apportion.models.request import ChatMessage, Reply, Request
from apportion.records import Balance, CallRow
from apportion.records.status import Status
from apportion.testing.fault_server import Answer, FaultServer

REQUEST = Request("m", (ChatMessage("system", "Be brief."), ChatMessage("user", "6 * 7?")), max_output_tokens=64)
USAGE = {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}


def completion(
    content: object = "Answer: 42", finish: object = "stop", usage: object = USAGE, **message: Any
) -> Answer:
    choice = {"index": 0, "message": {"role": "assistant", "content": content, **message}, "finish_reason": finish}
    return Answer({"id": "x", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage})


class Desk:
    """A metered caller before an endpoint that answers as told."""

    def __init__(self, answer: Callable[[Mapping[str, Any]], Answer | None], **card: Any) -> None:
        self.store = MemoryStore()
        self.waits: list[float] = []
        self.sent: list[Mapping[str, Any]] = []
        self._answer = answer
        self._card = ModelCard(**{"name": "m", "attempts": 4, **card})

    def ask(self, request: Request = REQUEST) -> Reply:
        ledger = Ledger(self.store, "test")
        ledger.open("study", measure="paid")
        with FaultServer(answer=self._answer) as server:
            pool = Pool([OpenAIModel(self._card, server.base_url)])
            caller = MeteredCaller(pool, ledger, self.store, facts=self.store, sleep=self._sleep)
            try:
                return asyncio.run(caller.call(request, Meter("study", "run", "span")))
            finally:
                self.sent += [received.body for received in server.received]

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    @property
    def balance(self) -> Balance:
        return self.store.balance("study")

    @property
    def row(self) -> CallRow:
        return self.store.calls("run")[-1]


PARTS = [{"type": "thinking", "thinking": [{"type": "text", "text": "6*7"}]}, {"type": "text", "text": "Answer: 42"}]
WHOLE = {
    "parts": completion(PARTS),
    "no usage": completion(usage=None),
    **{f"finish {word!r}": completion(finish=word) for word in ("STOP", "", None, "end", "stop_sequence", "completed")},
    "unknown finish": completion(finish="zenith"),
    "filtered": completion(finish="sensitive"),
    "cut": completion(finish="MAX_TOKENS"),
    "refusal": completion(None, refusal="no"),
    "number": completion(42),
    "tool call": completion(None, "tool_calls", tool_calls=[{"id": "1"}]),
    "unknown finish without text": completion("", "zenith"),
}


@pytest.mark.parametrize("answer", WHOLE.values(), ids=WHOLE.keys())
def test_what_was_paid_for_is_not_bought_again(answer: Answer) -> None:
    desk = Desk(lambda body: answer)
    with contextlib.suppress(CallFailed):
        desk.ask()
    assert len(desk.sent) == 1
    assert desk.balance.paid.tokens >= 25


def test_reasoning_and_answer_of_parts_come_apart() -> None:
    reply = Desk(lambda body: completion(PARTS)).ask()
    assert (reply.text, reply.reasoning) == ("Answer: 42", "6*7")


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "thinking"])
def test_reasoning_fields_are_kept_apart(field: str) -> None:
    reply = Desk(lambda body: completion(**{field: "6*7"})).ask()
    assert (reply.text, reply.reasoning) == ("Answer: 42", "6*7")


def test_an_unknown_end_is_said_in_the_trace() -> None:
    desk = Desk(lambda body: completion(finish="zenith"))
    assert desk.ask().finish_reason == "stop"
    assert desk.row.outcome is Status.OK
    assert "'zenith'" in desk.row.error


def test_a_rate_limit_within_a_200_costs_nothing_and_is_waited_for() -> None:
    answers = iter([Answer({"error": {"code": 429, "message": "Rate limit exceeded, retry in 7s"}}), completion()])
    desk = Desk(lambda body: next(answers))
    assert desk.ask().text == "Answer: 42"
    assert desk.balance.lost.tokens == 0
    assert desk.waits == [7.0]


def test_a_wait_of_many_minutes_is_not_sat_out() -> None:
    desk = Desk(lambda body: Answer({"error": {"message": "Please try again in 20 minutes"}}, 429))
    with pytest.raises(CallFailed, match="20 minutes"):
        desk.ask()
    assert (len(desk.sent), desk.waits) == (1, [])


def test_usage_that_is_partly_missing_is_charged_at_its_bound() -> None:
    desk = Desk(lambda body: completion(usage={"completion_tokens": 5}))
    desk.ask()
    prompt = 16 + 2 * 8 + len("Be brief.6 * 7?")
    assert (desk.balance.charged.tokens, desk.balance.lost.tokens) == (prompt + 5, 0)
    assert desk.row.usage is not None
    assert desk.row.usage.estimated
    assert "prompt" in desk.row.error


def test_a_total_alone_is_charged_as_it_is() -> None:
    desk = Desk(lambda body: completion(usage={"total_tokens": 25}), output_usd_per_million=1.0)
    desk.ask()
    assert desk.balance.charged.tokens == 25
    assert desk.balance.charged.usd >= 5_000  # of the splits that are possible, not the cheapest


def test_one_token_for_many_bytes_is_not_believed() -> None:
    usage = {"prompt_tokens": 20, "completion_tokens": 1, "total_tokens": 21}
    desk = Desk(lambda body: completion("x" * 4000, usage=usage))
    desk.ask()
    assert desk.balance.charged.tokens == 20 + 32
    assert "1 output tokens reported for 4,000 bytes" in desk.row.error


@pytest.mark.parametrize("usage", [{"completion_tokens": 2826}, {"total_tokens": 2826}, {"output_tokens": 2826}])
def test_an_overrun_shows_in_partial_usage(usage: object) -> None:
    desk = Desk(lambda body: completion(usage=usage))
    with pytest.raises(BudgetBreach):
        desk.ask()
    assert desk.balance.charged.tokens >= 2826


@pytest.mark.parametrize("usage", [{"prompt_tokens": 20, "completion_tokens": 1}, None])
def test_a_text_far_longer_than_the_cap_is_a_breach_whatever_is_reported(usage: object) -> None:
    desk = Desk(lambda body: completion("word " * 4000, usage=usage))
    with pytest.raises(BudgetBreach):
        desk.ask()


@pytest.mark.parametrize("role", ["developer", "user", "none"])
def test_a_model_without_a_system_role_can_be_told(role: str) -> None:
    def answer(body: Mapping[str, Any]) -> Answer:
        roles = [message["role"] for message in body["messages"]]
        if "system" in roles or any(one == other for one, other in itertools.pairwise(roles)):
            return Answer({"object": "error", "message": "System role not supported", "code": 400}, 400)
        return completion()

    with pytest.raises(CallFailed, match="system_role"):
        Desk(answer).ask()
    desk = Desk(answer, system_role=role)
    assert desk.ask().text == "Answer: 42"
    told = {"role": "developer", "content": "Be brief."}, {"role": "user", "content": "6 * 7?"}
    merged = [{"role": "user", "content": "Be brief.\n\n6 * 7?"}]
    assert desk.sent[0]["messages"] == (list(told) if role == "developer" else merged)
