from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from openai import OpenAI

from apportion.models.pocket.sampling import choose
from apportion.models.pocket.serving import PocketServer


@pytest.fixture(scope="package")
def server() -> Iterator[PocketServer]:
    with PocketServer() as running:
        yield running


@pytest.fixture
def client(server: PocketServer) -> Iterator[OpenAI]:
    with OpenAI(base_url=server.base_url, api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """The models write nothing until this is set."""
    opened = threading.Event()

    def wait_and_choose(*arguments: object) -> object:
        opened.wait(60)
        return choose(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("apportion.models.pocket.engine.choose", wait_and_choose)
    yield opened
    opened.set()
