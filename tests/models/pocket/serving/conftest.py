from __future__ import annotations

from collections.abc import Iterator

import pytest
from openai import OpenAI

from apportion.models.pocket.serving import PocketServer


@pytest.fixture(scope="package")
def server() -> Iterator[PocketServer]:
    with PocketServer() as running:
        yield running


@pytest.fixture
def client(server: PocketServer) -> Iterator[OpenAI]:
    with OpenAI(base_url=server.base_url, api_key="none", max_retries=0) as client:
        yield client
