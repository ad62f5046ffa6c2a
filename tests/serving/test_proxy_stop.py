"""Requests in flight when a proxy is stopped."""

from __future__ import annotations

import threading
from pathlib import Path

import openai
import pytest

from apportion.records.status import Status
from apportion.testing.fault_server import Behaviour
from apportion.testing.fault_stream import Streaming

from .proxied import read_into, setting, text_of


def test_a_stop_lets_a_stream_end(tmp_path: Path) -> None:
    with setting(tmp_path, reply=lambda body: "y" * 80, streaming=Streaming(pause=0.02)) as proxy:
        stream = proxy.ask(stream=True, max_tokens=100)
        first = next(stream)
        proxy.server.stop()
        assert text_of([first, *stream]) == "y" * 80


def test_what_does_not_end_in_time_is_lost_at_its_bound(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with setting(
        tmp_path, streaming=Streaming(stall_at=2), proxy={"grace_seconds": 1}, reply=lambda body: "y" * 80
    ) as proxy:
        stream = proxy.ask(stream=True, max_tokens=100)
        next(stream)
        stopping = threading.Thread(target=proxy.server.__exit__, args=(None, None, None))
        stopping.start()
        with pytest.raises(openai.APIError, match="being stopped"):
            read_into([], stream)
        stopping.join(20)
        assert not stopping.is_alive()
        balance = proxy.balance
        assert balance.in_flight == balance.reserved.tokens == 0
        assert balance.lost.tokens >= proxy.upstream.billed_tokens
        assert [run.status for run in proxy.store.runs()] == [Status.CANCELLED]
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


def test_an_answer_that_does_not_come_in_time_is_refused(tmp_path: Path) -> None:
    with setting(tmp_path, behaviours=[Behaviour.HANG], proxy={"grace_seconds": 1}) as proxy:
        told: list[BaseException] = []

        def ask() -> None:
            try:
                proxy.ask()
            except openai.APIStatusError as error:
                told.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        proxy.upstream.wait_for(1)
        proxy.server.__exit__(None, None, None)
        asking.join(20)
        assert "being stopped" in str(told)
