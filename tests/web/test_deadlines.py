from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvicorn
from uvicorn.server import ServerState

from apportion.models.pocket import load_pocket_model
from apportion.models.pocket.serving import PocketServer
from apportion.web.deadlines import with_deadline

SECONDS = 0.4
BODY = json.dumps({"model": "pocket-30k", "messages": [{"role": "user", "content": "S47+83="}]}).encode()
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(BODY)


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    with PocketServer([load_pocket_model("pocket-30k")], request_seconds=SECONDS) as server:
        parts = urlsplit(server.base_url)
        assert parts.hostname is not None
        assert parts.port is not None
        yield parts.hostname, parts.port


def answer(connection: socket.socket) -> bytes:
    """One response, which has a length."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    while len(body) < length:
        body += connection.recv(65536)
    assert head.startswith(b"HTTP/1.1 200")
    return body


def dripped(connection: socket.socket, content: bytes) -> bool:
    """Sends a byte at a time, and tells whether the other side closed before it had all of it."""
    connection.settimeout(0.02)
    for position in range(len(content)):
        try:
            connection.sendall(content[position : position + 1])
            return connection.recv(1) == b""
        except TimeoutError:
            continue
        except ConnectionError:
            return True
    return False


@pytest.mark.parametrize("begun", [b"", HEAD[:1], HEAD[:60], HEAD[:-1], HEAD, HEAD + BODY[:10]])
def test_a_request_that_stays_half_open_is_closed(address: tuple[str, int], begun: bytes) -> None:
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall(begun)
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(1) == b""


@pytest.mark.parametrize("content", [HEAD.replace(b"localhost", b"localhost\r\nX: " + b"x" * 500), HEAD + BODY])
def test_dripping_does_not_make_the_time_longer(address: tuple[str, int], content: bytes) -> None:
    with socket.create_connection(address) as connection:
        assert dripped(connection, content)


def test_a_second_request_on_a_connection_has_its_own_time(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=30) as connection:
        for _ in range(3):
            # Longer in all than a request may take: between two requests the connection may idle.
            time.sleep(SECONDS / 2)
            connection.sendall(HEAD + BODY[:5])
            connection.sendall(BODY[5:])
            assert b"chat.completion" in answer(connection)
        time.sleep(1.5 * SECONDS)
        connection.sendall(HEAD)
        assert dripped(connection, BODY)


def test_a_response_may_take_longer_than_its_request(address: tuple[str, int], gate: Any) -> None:
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall(HEAD + BODY)
        time.sleep(2 * SECONDS)
        gate.set()
        assert b"chat.completion" in answer(connection)


def test_a_client_that_takes_nothing_is_let_go() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            for _ in range(1000):
                await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
        finally:
            ended.set()

    async def main() -> None:
        protocol: Any = with_deadline(SECONDS)
        config = uvicorn.Config(app, http=protocol, log_config=None, ws="none")
        config.load()
        make = partial(protocol, config=config, server_state=ServerState(), app_state={})
        server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), limit=1024)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await asyncio.wait_for(ended.wait(), 30)
        writer.close()
        server.close()

    ended = asyncio.Event()
    asyncio.run(main())
