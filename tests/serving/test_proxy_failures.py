"""What clients are told where the endpoint behind a proxy fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openai
import pytest

from apportion.testing.fault_server import Behaviour
from apportion.testing.fault_stream import Streaming

from .proxied import SECRET, read_into, setting, text_of


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("behaviour", "status", "code"),
    [
        (Behaviour.SERVER_ERROR, 502, "upstream_failed"),
        (Behaviour.RATE_LIMIT, 503, "upstream_unavailable"),
        (Behaviour.QUOTA, 502, "upstream_failed"),
        (Behaviour.CLOSE, 502, "upstream_failed"),
    ],
)
def test_an_upstream_that_fails(tmp_path: Path, behaviour: Behaviour, status: int, code: str, stream: bool) -> None:
    with setting(tmp_path, behaviours=[behaviour], retry_after=7) as proxy:
        with pytest.raises(openai.InternalServerError) as refused:
            proxy.ask(stream=stream)
        assert (refused.value.status_code, refused.value.code) == (status, code)
        assert refused.value.response.headers.get("retry-after") == ("7" if status == 503 else None)
        assert refused.value.response.headers.get("x-should-retry") == (None if status == 503 else "false")
        assert SECRET not in str(refused.value)


def test_it_tries_again_with_a_reservation_each(tmp_path: Path) -> None:
    with setting(tmp_path, behaviours=[Behaviour.SERVER_ERROR, Behaviour.OK], card={"attempts": 2}) as proxy:
        told = proxy.ask().x_apportion
        assert told["attempts"] == 2
        assert told["charged"]["tokens"] + told["lost"]["tokens"] >= proxy.upstream.billed_tokens
        calls = proxy.store.calls(told["run_id"])
        assert len({call.reservation_id for call in calls}) == 2


def test_an_upstream_that_breaks_off_in_a_stream(tmp_path: Path) -> None:
    with setting(tmp_path, reply=lambda body: "y" * 20, streaming=Streaming(cut_at=4)) as proxy:
        got: list[Any] = []
        with pytest.raises(openai.APIError, match="broke off"):
            read_into(got, proxy.ask(stream=True))
        assert text_of(got) == "y" * 12
        assert proxy.settled().lost.tokens >= proxy.upstream.billed_tokens


@pytest.mark.parametrize("stream", [False, True])
def test_an_upstream_that_overspends_is_barred(tmp_path: Path, stream: bool) -> None:
    with setting(tmp_path, behaviours=[Behaviour.OVERRUN], reply=lambda body: "y" * 20) as proxy:
        with pytest.raises(openai.APIError, match="is not called any more"):
            list(proxy.ask(stream=stream))
        with pytest.raises(openai.InternalServerError) as refused:
            proxy.ask(stream=stream)
        assert refused.value.code == "model_barred"
        assert proxy.upstream.requests == 1
        assert proxy.settled().charged.tokens == proxy.upstream.billed_tokens


def test_a_response_that_breaks_off(tmp_path: Path) -> None:
    with setting(tmp_path, reply=lambda body: "y" * 20, streaming=Streaming(cut_at=4)) as proxy:
        stream = proxy.client().responses.create(model="m", input="hi", max_output_tokens=30, stream=True)
        with pytest.raises(openai.APIError, match="broke off"):
            read_into([], stream)
