"""A proxy in front of a scripted endpoint."""

from __future__ import annotations

import hashlib
import http.client
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from openai import OpenAI

from apportion.budgets.cap import Cap
from apportion.models.card import ModelCard
from apportion.models.endpoint import Endpoint
from apportion.models.openai_compatible import OpenAIModel
from apportion.models.pool import Pool
from apportion.records.rows import Balance
from apportion.serving.keys import Key
from apportion.serving.proxy import ProxyServer
from apportion.stores.opening import open_store
from apportion.stores.store import Store
from apportion.testing.fault_server import FaultServer

HI: Any = [{"role": "user", "content": "hi"}]
SECRET = "sk-upstream-0123456789abcdef"
TOOL: Any = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


def key(name: str, **fields: Any) -> Key:
    return Key(name=name, hash="sha256:" + hashlib.sha256(f"sk-{name}".encode()).hexdigest(), **fields)


@dataclass
class Setting:
    """A proxy in front of a scripted endpoint."""

    upstream: FaultServer
    store: Store
    server: ProxyServer
    clients: list[OpenAI] = field(default_factory=list)

    def client(self, name: str = "anybody", **settings: Any) -> OpenAI:
        made = OpenAI(base_url=self.server.base_url, api_key=f"sk-{name}", **{"max_retries": 0, **settings})
        self.clients.append(made)
        return made

    def ask(self, name: str = "anybody", **fields: Any) -> Any:
        return self.client(name).chat.completions.create(**{"model": "m", "messages": HI, "max_tokens": 30, **fields})

    @property
    def balance(self) -> Balance:
        return self.store.balance("proxy/all")

    def settled(self) -> Balance:
        """The balance once nothing is in flight."""
        until = time.monotonic() + 20
        while self.balance.in_flight:
            assert time.monotonic() < until, "a call is in flight still"
            time.sleep(0.01)
        return self.balance

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.server.base_url)
        assert parts.hostname
        assert parts.port
        return parts.hostname, parts.port


@contextmanager
def setting(
    folder: Path, *, cap: float = 100_000, card: Any = None, proxy: Any = None, books: Any = None, **upstream: Any
) -> Iterator[Setting]:
    with ExitStack() as stack:
        endpoint = stack.enter_context(FaultServer(**{"bytes_per_token": 1, "api_key": SECRET, **upstream}))
        fields = {"output_cap": "max_tokens", "attempts": 1, "timeout_seconds": 5.0, "concurrency": 100, **(card or {})}
        made = Endpoint(endpoint.base_url, api_key=SECRET)
        pool = Pool(OpenAIModel.on(ModelCard.model_validate({"name": name, **fields}), made) for name in ("m", "large"))
        store = stack.enter_context(open_store(folder / "trace.db", **(books or {})))
        server = stack.enter_context(ProxyServer(pool, store, cap=Cap(total=cap), **(proxy or {})))
        given = Setting(endpoint, store, server)
        try:
            yield given
        finally:
            for client in given.clients:
                client.close()


def text_of(chunks: Any) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def raw(proxy: Setting, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(*proxy.address, timeout=30)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def read_into(got: list[Any], stream: Any) -> None:
    for chunk in stream:
        got.append(chunk)
