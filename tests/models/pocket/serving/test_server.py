from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest
from openai import OpenAI

from apportion.errors import UsageError
from apportion.models.pocket import load_pocket_model
from apportion.models.pocket.serving import PocketServer

NAME = "pocket-30k"


def tokens_of(base_url: str) -> int:
    with OpenAI(base_url=base_url, api_key="none", max_retries=0) as client:
        completion = client.chat.completions.create(
            model=NAME, messages=[{"role": "user", "content": "S47+83="}], n=100, seed=1
        )
    assert completion.usage is not None
    return completion.usage.total_tokens


def refuses(base_url: str) -> bool:
    host, _, port = base_url.removeprefix("http://").removesuffix("/v1").rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_stop_finishes_what_is_in_flight_and_refuses_the_rest(gate: threading.Event) -> None:
    before = set(threading.enumerate())
    with PocketServer([load_pocket_model(NAME)]) as server:
        messages: Any = [{"role": "user", "content": "S47+83="}]
        with OpenAI(base_url=server.base_url, api_key="none", max_retries=0) as client:
            chunks = iter(client.chat.completions.create(model=NAME, messages=messages, n=70, stream=True))
            assert next(chunks).choices[0].delta.role == "assistant"
            server.stop()
            while not refuses(server.base_url):
                time.sleep(0.02)
            gate.set()
            ended = [chunk.choices[0].index for chunk in chunks if chunk.choices[0].finish_reason]
    assert sorted(ended) == list(range(70))
    assert not set(threading.enumerate()) - before


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "8.8.8.8", "example.com", ""])
def test_only_the_loopback_interface_is_served(host: str) -> None:
    with pytest.raises(UsageError, match="serves this machine only"):
        PocketServer([], host=host)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2", "::1"])
def test_every_loopback_address_will_do(host: str) -> None:
    if host == "::1" and not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    with PocketServer([load_pocket_model(NAME)], host=host) as server:
        assert tokens_of(server.base_url) > 100
        assert server.models == (NAME,)


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port}: .* 0 takes a free one"):
            PocketServer([], port=port)


def test_an_empty_queue_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 1 sample"):
        PocketServer([], queue=0)
