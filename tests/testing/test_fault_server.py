from __future__ import annotations

import http.client
import itertools
import json
import threading
from typing import Any

import pytest

from apportion.testing.fault_server import Behaviour, FaultServer

HELLO = {"model": "m", "messages": [{"role": "user", "content": "x" * 40}], "max_tokens": 5}


def post(server: FaultServer, body: Any, **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(server.base_url.split("/")[2], timeout=5)
    try:
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_it_bills_what_it_reports() -> None:
    with FaultServer(reply=lambda body: "y" * 400) as server:
        status, completion = post(server, HELLO)
        assert status == 200
        assert completion["choices"][0]["finish_reason"] == "length"
        assert completion["usage"] == {"prompt_tokens": 16, "completion_tokens": 5, "total_tokens": 21}
        assert server.billed_tokens == 21


def test_the_reply_is_made_from_the_request() -> None:
    with FaultServer(reply=lambda body: str(body["messages"][0]["content"]).upper()) as server:
        _, completion = post(server, HELLO | {"max_tokens": 50})
    assert completion["choices"][0]["message"]["content"] == "X" * 40
    assert completion["choices"][0]["finish_reason"] == "stop"


def test_a_cap_that_it_does_not_know_is_ignored() -> None:
    with FaultServer(reply=lambda body: "y" * 400, cap_fields=("max_completion_tokens",)) as server:
        _, completion = post(server, HELLO)
        assert completion["usage"]["completion_tokens"] == 100
        assert server.billed_tokens == 116


def test_behaviours_in_order_and_then_ok() -> None:
    with FaultServer([Behaviour.SERVER_ERROR, Behaviour.RATE_LIMIT]) as server:
        assert [post(server, HELLO)[0] for _ in range(4)] == [500, 429, 200, 200]
        assert [received.billed_tokens > 0 for received in server.received] == [True, False, True, True]
        assert server.billed_tokens == sum(received.billed_tokens for received in server.received)


def test_both_caps_or_no_messages_are_a_bad_request() -> None:
    with FaultServer(itertools.repeat(Behaviour.OK)) as server:
        assert post(server, HELLO | {"max_completion_tokens": 5})[0] == 400
        assert post(server, {"model": "m"})[0] == 400
        assert server.billed_tokens == 0


def test_a_wrong_key() -> None:
    with FaultServer(api_key="right") as server:
        assert post(server, HELLO)[0] == 401
        assert post(server, HELLO, Authorization="Bearer right")[0] == 200


@pytest.mark.parametrize("behaviour", [Behaviour.RESET, Behaviour.CLOSE, Behaviour.CUT_BODY, Behaviour.GARBAGE])
def test_broken_connections_are_billed(behaviour: Behaviour) -> None:
    with FaultServer([behaviour]) as server:
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            post(server, HELLO)
        assert server.billed_tokens > 0


def test_requests_in_the_works_are_counted_and_hanging_ones_end_with_the_server() -> None:
    with FaultServer(itertools.repeat(Behaviour.HANG)) as server:
        threads = [threading.Thread(target=_swallow, args=(server,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        server.wait_for(3)
        assert server.most_open == 3
        with pytest.raises(TimeoutError, match="3 of 4"):
            server.wait_for(4, seconds=0.01)
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()


def _swallow(server: FaultServer) -> None:
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        post(server, HELLO)
