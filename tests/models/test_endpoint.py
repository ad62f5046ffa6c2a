from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import socket
from dataclasses import dataclass
from typing import Any

import pytest

from apportion.errors import CallFailed, PoolError
from apportion.models.card import ModelCard
from apportion.models.endpoint import Endpoint, Transport
from apportion.models.openai_compatible import OpenAIModel
from apportion.models.request import ChatMessage, Reply, Request
from apportion.records.status import Status
from apportion.testing.fault_server import Answer, Behaviour, FaultServer

REQUEST = Request("m", (ChatMessage("user", "Say ok."),), max_output_tokens=16)

TRANSPORTS = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            name == "aiohttp" and importlib.util.find_spec("aiohttp") is None, reason="aiohttp is not installed"
        ),
    )
    for name in ("aiohttp", "httpx")
]


@dataclass(frozen=True)
class Fails:
    status: Status
    billed: bool
    retryable: bool
    usage: bool = False


ERROR, TIMEOUT = Status.PROVIDER_ERROR, Status.TIMEOUT
REFUSED_EARLY = Fails(ERROR, billed=False, retryable=False)
UNSURE = Fails(ERROR, billed=True, retryable=True)
BAD_BODY = Fails(ERROR, billed=True, retryable=True, usage=True)

FAILURES = {
    Behaviour.BAD_REQUEST: REFUSED_EARLY,
    Behaviour.UNAUTHORIZED: REFUSED_EARLY,
    Behaviour.FORBIDDEN: REFUSED_EARLY,
    Behaviour.NOT_FOUND: REFUSED_EARLY,
    Behaviour.UNPROCESSABLE: REFUSED_EARLY,
    Behaviour.QUOTA: REFUSED_EARLY,
    Behaviour.RATE_LIMIT: Fails(ERROR, billed=False, retryable=True),
    Behaviour.SERVER_ERROR: UNSURE,
    Behaviour.OVERLOADED: UNSURE,
    Behaviour.HANG: Fails(TIMEOUT, billed=True, retryable=True),
    Behaviour.DRIP: Fails(TIMEOUT, billed=True, retryable=True),
    Behaviour.RESET: UNSURE,
    Behaviour.CLOSE: UNSURE,
    Behaviour.GARBAGE: UNSURE,
    Behaviour.CUT_BODY: UNSURE,
    Behaviour.TRUNCATED_JSON: UNSURE,
    Behaviour.HTML: Fails(ERROR, billed=True, retryable=False),
    Behaviour.ERROR_BODY: UNSURE,
    Behaviour.NULL_CHOICES: BAD_BODY,
    Behaviour.EMPTY_CHOICES: BAD_BODY,
    Behaviour.NULL_MESSAGE: BAD_BODY,
    Behaviour.RATE_LIMIT_BODY: Fails(ERROR, billed=False, retryable=True),
}
"""What each failure means; the behaviours that are not named here give a reply."""

NO_CREDIBLE_USAGE = {
    Behaviour.NO_USAGE,
    Behaviour.STRING_USAGE,
    Behaviour.NULL_COUNTS,
}
UNDERSTATED = {Behaviour.SHORT_COUNT, Behaviour.TINY_USAGE}


def attempt(server: FaultServer, transport: Transport, **card: Any) -> Reply | CallFailed:
    model = OpenAIModel(ModelCard(name="m", **card), server.base_url, transport=transport)
    try:
        return asyncio.run(model.complete(REQUEST))
    except CallFailed as failure:
        return failure


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("behaviour", list(Behaviour), ids=lambda behaviour: behaviour.value)
def test_each_attempt_ends_typed_and_is_sent_once(behaviour: Behaviour, transport: Transport) -> None:
    fails = FAILURES.get(behaviour)
    # Only where nothing comes is the wait short; all else may take its time on a busy machine.
    wait = {"timeout_seconds": 1.0} if fails is not None and fails.status is TIMEOUT else {}
    with FaultServer([behaviour]) as server:
        outcome = attempt(server, transport, **wait)
        assert server.requests == 1
        billed = server.billed_tokens
    expected = FAILURES.get(behaviour)
    if expected is None:
        assert isinstance(outcome, Reply)
        assert (outcome.usage is None) == (behaviour in NO_CREDIBLE_USAGE)
        assert outcome.usage is None or behaviour in UNDERSTATED or outcome.usage.total_tokens >= billed
        return
    assert isinstance(outcome, CallFailed)
    found = Fails(outcome.status, outcome.billed, outcome.retryable, outcome.usage is not None)
    assert found == expected
    # Never is a request called free that the server bills, and never is reported usage too low.
    if billed:
        assert outcome.billed
        assert outcome.usage is None or outcome.usage.total_tokens >= billed
    assert "\n" not in outcome.reason
    assert len(outcome.reason) < 500


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_what_is_said_of_a_reply(transport: Transport) -> None:
    with FaultServer([Behaviour.STARVED, Behaviour.CONTENT_FILTER, Behaviour.OVERRUN]) as server:
        starved, filtered, overrun = (attempt(server, transport) for _ in range(3))
    assert isinstance(starved, Reply)
    assert (starved.text, starved.finish_reason, starved.reasoning) == ("", "length", "Let me think")
    assert starved.usage is not None
    assert starved.usage.reasoning_tokens == 16
    assert isinstance(filtered, Reply)
    assert filtered.finish_reason == "content_filter"
    assert isinstance(overrun, Reply)
    assert overrun.usage is not None
    assert overrun.usage.output_tokens == 2826


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_nobody_listens(transport: Transport) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening, so a connection is refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        endpoint = Endpoint(url, transport=transport)
        with pytest.raises(CallFailed) as failure:
            asyncio.run(endpoint.complete(b"{}", 5.0))
        with pytest.raises(PoolError) as refusal:
            asyncio.run(endpoint.check())
    assert (failure.value.billed, failure.value.retryable) == (False, True)
    for text in (str(failure.value), str(refusal.value)):
        assert url in text
        assert "base_url" in text
        assert "\n" not in text


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_name_that_does_not_resolve_bills_nothing(transport: Transport) -> None:
    endpoint = Endpoint("http://no-such-host.invalid/v1", transport=transport)
    with pytest.raises(CallFailed) as failure:
        asyncio.run(endpoint.complete(b"{}", 5.0))
    assert not failure.value.billed


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_connection_that_never_opens_bills_nothing(transport: Transport) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        with socket.create_connection(address), contextlib.ExitStack() as waiting:
            for _ in range(2):  # fill the backlog, so that further connections get no answer
                queued = waiting.enter_context(socket.socket())
                queued.setblocking(False)
                queued.connect_ex(address)
            endpoint = Endpoint(f"http://127.0.0.1:{address[1]}/v1", transport=transport, connect_seconds=0.2)
            with pytest.raises(CallFailed) as failure:
                asyncio.run(endpoint.complete(b"{}", 5.0))
    assert (failure.value.billed, failure.value.retryable) == (False, True)


def test_a_long_wait_is_passed_on() -> None:
    with FaultServer([Behaviour.RATE_LIMIT], retry_after=300.0) as server:
        outcome = attempt(server, "httpx2")
    assert isinstance(outcome, CallFailed)
    assert outcome.retry_after == 300.0


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_cancellation_is_not_translated(transport: Transport) -> None:
    async def cancel(base_url: str) -> None:
        endpoint = Endpoint(base_url, transport=transport)
        task = asyncio.create_task(endpoint.complete(b'{"messages": [{"content": "hi"}]}', 5.0))
        await asyncio.to_thread(server.wait_for, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await endpoint.complete(b'{"messages": [{"content": "hi"}]}', 5.0)

    with FaultServer([Behaviour.HANG]) as server:
        asyncio.run(cancel(server.base_url))
        assert server.requests == 2


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_one_loop_after_another_and_no_connection_left_open(transport: Transport) -> None:
    # An unclosed socket would end the test run through its ResourceWarning.
    with FaultServer() as server:
        endpoint = Endpoint(server.base_url, transport=transport)
        for _ in range(3):
            asyncio.run(endpoint.complete(b'{"messages": [{"content": "hi"}]}', 5.0))
        assert server.requests == 3


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_loop_keeps_its_connection(transport: Transport) -> None:
    async def complete_thrice(base_url: str) -> None:
        endpoint = Endpoint(base_url, transport=transport)
        for _ in range(3):
            await endpoint.complete(b'{"messages": [{"content": "hi"}]}', 5.0)

    with FaultServer() as server:
        asyncio.run(complete_thrice(server.base_url))
        assert (server.requests, server.connections) == (3, 1)


def test_check_accepts_a_good_endpoint_and_costs_nothing() -> None:
    with FaultServer(api_key="right") as server:
        asyncio.run(Endpoint(server.base_url, api_key="right").check())
        assert server.billed_tokens == 0


def test_check_names_the_field_at_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEY", "wrong-key")
    with FaultServer(api_key="right") as server:
        with pytest.raises(PoolError, match=r"api_key_env.*401.*THE_KEY was not accepted"):
            asyncio.run(Endpoint(server.base_url, api_key_env="THE_KEY").check())
        with pytest.raises(PoolError, match=r"api_key_env.*asks for a key"):
            asyncio.run(Endpoint(server.base_url).check())
        with pytest.raises(PoolError, match=r"base_url.*404.*ends in /v1"):
            asyncio.run(Endpoint(server.base_url.removesuffix("/v1"), api_key="right").check())


def refusal(answer: Answer, transport: Transport = "httpx2", **endpoint: Any) -> CallFailed:
    with FaultServer([answer]) as server:
        model = OpenAIModel.on(ModelCard(name="m"), Endpoint(server.base_url, transport=transport, **endpoint))
        with pytest.raises(CallFailed) as failure:
            asyncio.run(model.complete(REQUEST))
    assert failure.value.reason.startswith(server.base_url)
    return failure.value


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "no seed here"}},
        [{"error": {"message": "no seed here"}}],
        {"detail": [{"loc": ["body"], "msg": "no seed here"}]},
        {"object": "error", "message": "no seed here"},
        b"<html><title>no seed here</title></html>",
        b"no seed\r\n here",
        {"unheard": {"of": "no seed here"}},
    ],
)
def test_what_the_endpoint_says_is_passed_on(body: object, transport: Transport) -> None:
    assert "no seed here" in refusal(Answer(body, 422), transport).reason


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_waits_are_passed_on(transport: Transport) -> None:
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "17s"}
    body = [{"error": {"code": 429, "message": "Quota exceeded.", "details": [info]}}]
    assert refusal(Answer(body, 429), transport).retry_after == 17.0
    assert refusal(Answer(body, 429, {"Retry-After": "3"}), transport).retry_after == 3.0
    assert refusal(Answer({"error": "Try again in 20 minutes"}, 429), transport).retry_after == 1200.0


@pytest.mark.parametrize(
    ("status", "said", "field"),
    [
        (400, "System role not supported", "system_role"),
        (500, "chat template: System role not supported", "system_role"),
        (400, "Unsupported value: 'messages[0].role' does not support 'system' with this model.", "system_role"),
        (400, "Developer instruction is not enabled for models/gemma-3", "system_role"),
        (400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", "output_cap"),
        (422, "Extra inputs are not permitted: seed", "seed"),
        (400, "Unsupported value: 'temperature' does not support 0 with this model.", "temperature"),
        (400, "`logprobs` is not supported", "logprobs"),
        (400, "response_format.type must be text", "json_schema"),
        (500, "an internal system error", None),
        (401, "the seed of the key", None),
        (400, "the operating system is down", None),
    ],
)
def test_the_field_of_the_card_that_mends_a_refusal_is_named(status: int, said: str, field: str | None) -> None:
    mended = refusal(Answer({"error": {"message": said}}, status)).reason
    assert ("the model's card" in mended) == (field is not None)
    assert field is None or field in mended


@pytest.mark.parametrize(
    ("server", "alive"),
    [
        ({}, True),
        ({"models": None}, True),
        ({"api_key": "another"}, False),
        ({"pages": {"/v1/models": Answer({"error": "loading"}, 503)}}, False),
        ({"pages": {"/v1/models": Answer({"error": "slow down"}, 429)}}, False),
    ],
)
def test_whether_an_endpoint_is_alive_is_asked_for_no_tokens(server: dict[str, Any], alive: bool) -> None:
    async def look(url: str) -> bool:
        endpoint = Endpoint(url)
        try:
            return await endpoint.is_alive(5.0)
        finally:
            await endpoint.aclose()

    with FaultServer(**server) as there:
        assert asyncio.run(look(there.base_url)) is alive
        assert there.billed_tokens == 0
    assert not asyncio.run(look("http://127.0.0.1:9/v1"))


def test_one_that_does_not_answer_a_look_is_told_so() -> None:
    async def look(url: str) -> None:
        endpoint = Endpoint(url)
        try:
            await endpoint.look("/models", seconds=0.05)
        finally:
            await endpoint.aclose()

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(PoolError, match=r"field 'base_url': .* gave no answer within 0\.05 s"):
            asyncio.run(look(f"http://127.0.0.1:{silent.getsockname()[1]}/v1"))
