from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from apportion.errors import UsageError
from apportion.models.pocket import load_pocket_model
from apportion.models.pocket.serving import PocketServer
from apportion.web.hosts import host_name


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    allowed = ("My-Machine.example", "192.168.7.7")
    with PocketServer([load_pocket_model("pocket-30k")], allow_hosts=allowed) as server:
        parts = urlsplit(server.base_url)
        assert parts.hostname is not None
        assert parts.port is not None
        yield parts.hostname, parts.port


def status(address: tuple[str, int], *headers: str, version: str = "1.1") -> tuple[int, bytes]:
    request = "\r\n".join([f"GET /v1/models HTTP/{version}", *headers, "Connection: close", "", ""])
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(request.encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    return int(answer.split()[1]), answer


LOCAL = "127.0.0.1 127.0.0.1:8000 127.9.9.9 localhost LOCALHOST:1 localhost. app.localhost:80 [::1] [::1]:8000"
ADMITTED = "my-machine.EXAMPLE my-machine.example:80 192.168.7.7:8000"
OTHER = "evil.example evil.example:8000 localhost.evil.example 127.0.0.1.evil.example 0.0.0.0 [::] 192.168.7.8"
ODD = "127.1 2130706433 user@127.0.0.1 127.0.0.1,evil.example [::1 ::1 127.0.0.1:port"


@pytest.mark.parametrize("host", [*LOCAL.split(), *ADMITTED.split()])
def test_it_answers_to_the_names_of_the_loopback_interface_and_those_admitted(
    address: tuple[str, int], host: str
) -> None:
    assert status(address, f"Host: {host}")[0] == 200


@pytest.mark.parametrize("host", [*OTHER.split(), *ODD.split(), ""])
def test_no_page_reaches_it_under_another_name(address: tuple[str, int], host: str) -> None:
    code, answer = status(address, f"Host: {host}")
    assert code in (400, 403)
    assert b"pocket-30k" not in answer
    if code == 403:
        assert b'"code":"host_not_allowed"' in answer
        assert b"--allow-host" in answer


def test_a_request_with_two_names_or_none_is_refused(address: tuple[str, int]) -> None:
    assert status(address, "Host: localhost", "Host: evil.example", version="1.0")[0] in (400, 403)
    assert status(address, version="1.0")[0] == 403


@pytest.mark.parametrize("page", ["http://localhost:3000", "http://[::1]:5173", "https://my-machine.example"])
def test_pages_of_this_machine_and_of_admitted_names_may_ask(address: tuple[str, int], page: str) -> None:
    assert status(address, "Host: localhost", f"Origin: {page}")[0] == 200


@pytest.mark.parametrize("page", ["https://evil.example", "null", "", "file://", "http://localhost.evil.example", "x"])
def test_no_page_of_another_site_asks_even_what_it_cannot_read(address: tuple[str, int], page: str) -> None:
    code, answer = status(address, "Host: localhost", f"Origin: {page}")
    assert code == 403
    assert b'"code":"origin_not_allowed"' in answer


@pytest.mark.parametrize("name", ["http://a.example", "a.example:80", "*", "", "a b", "a..b"])
def test_a_name_that_is_none_is_refused_at_the_start(name: str) -> None:
    with pytest.raises(UsageError, match="is no host name"):
        PocketServer([], allow_hosts=[name])


def test_addresses_are_names_too() -> None:
    assert [host_name(name) for name in ("[FE80::1]", "10.0.0.1", "A.b.")] == ["fe80::1", "10.0.0.1", "a.b"]
