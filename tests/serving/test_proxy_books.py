"""What of calls through a proxy is on the books, under its cap."""

from __future__ import annotations

import asyncio
import itertools
import json
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from apportion.records.status import Status
from apportion.serving.keys import Keys
from apportion.testing.fault_server import Behaviour
from apportion.testing.fault_stream import Streaming

from .proxied import HI, SECRET, key, setting, text_of


def test_what_has_nothing_random_in_it_is_asked_once_and_is_then_free(tmp_path: Path) -> None:
    with setting(tmp_path) as proxy:
        raw = proxy.client().chat.completions.with_raw_response
        answers = [raw.create(model="m", messages=HI, max_tokens=30, seed=5) for _ in range(2)]
        assert [answer.headers["x-apportion-cached"] for answer in answers] == ["false", "true"]
        assert answers[0].headers["x-apportion-charged-tokens"] == answers[1].headers["x-apportion-charged-tokens"]
        assert proxy.upstream.received[0].body["seed"] == 5
        assert text_of(proxy.ask(seed=5, stream=True)) == "ok"
        assert proxy.upstream.requests == 1
        assert proxy.settled().paid.tokens == proxy.upstream.billed_tokens
        for _ in range(2):
            proxy.ask(temperature=0)
            proxy.ask()
        assert proxy.upstream.requests == 4


def test_a_call_that_does_not_fit_is_402_and_never_sent(tmp_path: Path) -> None:
    with setting(tmp_path, cap=60) as proxy:
        for stream in (False, True):
            with pytest.raises(openai.APIStatusError) as refused:
                proxy.ask(max_tokens=60, stream=stream)
            assert refused.value.status_code == 402
            assert refused.value.code == "cap_reached"
            assert isinstance(refused.value.body, dict)
            assert refused.value.body.keys() == {"message", "type", "param", "code"}
            assert "60 are left" in str(refused.value)
        assert proxy.upstream.requests == 0
        assert [run.stop_reason for run in proxy.store.runs()] == ["budget", "budget"]


@pytest.mark.parametrize("stream", [False, True])
def test_64_at_once_under_one_cap(tmp_path: Path, stream: bool) -> None:
    cap = 2_000
    draws = itertools.cycle([Behaviour.OK] * 5 + [Behaviour.SERVER_ERROR, Behaviour.NO_USAGE, Behaviour.CLOSE])
    with setting(tmp_path, cap=cap, behaviours=draws, reply=lambda body: "y" * 20, latency=0.01) as proxy:

        async def one(client: AsyncOpenAI) -> str:
            try:
                told: Any = await client.chat.completions.create(model="m", messages=HI, max_tokens=30, stream=stream)
                if stream:
                    assert "".join([chunk.choices[0].delta.content or "" async for chunk in told]) == "y" * 20
                return "ok"
            except openai.APIStatusError as error:
                return str(error.status_code)

        async def story() -> list[str]:
            async with AsyncOpenAI(base_url=proxy.server.base_url, api_key="none", max_retries=0) as client:
                return await asyncio.gather(*(one(client) for _ in range(64)))

        outcomes = asyncio.run(story())
        assert {"ok", "402"} <= set(outcomes) <= {"ok", "402", "502"}
        balance = proxy.settled()
        spent = (balance.charged + balance.lost).tokens
        assert proxy.upstream.billed_tokens <= spent <= cap
        assert balance.reserved.tokens == 0


def test_a_client_that_leaves_in_a_stream(tmp_path: Path) -> None:
    with setting(tmp_path, reply=lambda body: "y" * 400, streaming=Streaming(pause=0.01)) as proxy:
        stream = proxy.ask(stream=True, max_tokens=500)
        for _ in range(5):
            next(stream)
        stream.close()
        for client in proxy.clients:
            client.close()
        balance = proxy.settled()
        assert (balance.charged.tokens, balance.reserved.tokens) == (0, 0)
        assert balance.lost.tokens >= proxy.upstream.billed_tokens
        (run,) = proxy.store.runs()
        assert (run.status, run.stop_reason) == (Status.CANCELLED, "cancelled")


def test_a_client_that_leaves_before_the_answer(tmp_path: Path) -> None:
    with setting(tmp_path, behaviours=[Behaviour.HANG]) as proxy:
        with pytest.raises(openai.APITimeoutError):
            proxy.client(timeout=0.3).chat.completions.create(model="m", messages=HI, max_tokens=30)
        balance = proxy.settled()
        assert balance.lost.tokens >= proxy.upstream.billed_tokens > 0


def test_runs_and_calls_are_on_the_books_and_no_key_is(tmp_path: Path) -> None:
    keys = Keys([key("ann-0123456789abcdef")])
    log = tmp_path / "log.jsonl"
    with setting(tmp_path, proxy={"keys": keys, "outcomes": log}, reply=lambda body: f"the key is {SECRET}") as proxy:
        said: Any = [{"role": "user", "content": f"my keys are {SECRET} and sk-ann-0123456789abcdef"}]
        told = proxy.ask("ann-0123456789abcdef", messages=said, metadata={"question": "q1"}, max_tokens=200)
        run_id = told.x_apportion["run_id"]
        proxy.store.flush()
        run, (span,), (call,) = proxy.store.run(run_id), proxy.store.spans(run_id), proxy.store.calls(run_id)
        assert run is not None
        assert (run.status, run.stop_reason, run.charged) == (Status.OK, "complete", call.charged)
        assert (span.node, span.kind) == ("ann-0123456789abcdef", "proxy")
        assert json.loads(log.read_text())["question"] == "q1"
    for path in tmp_path.iterdir():
        content = path.read_bytes()
        assert SECRET.encode() not in content, path
        assert b"sk-ann-0123456789abcdef" not in content, path


def test_where_no_text_is_kept_calls_are_counted_all_the_same(tmp_path: Path) -> None:
    said: Any = [{"role": "user", "content": "a question of mine alone"}]
    with setting(tmp_path, books={"capture": "none"}, reply=lambda body: "an answer of mine alone") as proxy:
        assert proxy.ask(messages=said, seed=1).choices[0].message.content == "an answer of mine alone"
        assert text_of(proxy.ask(messages=said, seed=2, stream=True)) == "an answer of mine alone"
        assert proxy.settled().charged.tokens == proxy.upstream.billed_tokens
        assert len(proxy.store.runs()) == 2
    for path in tmp_path.iterdir():
        assert b"of mine alone" not in path.read_bytes(), path


def test_the_cap_begins_anew_with_the_period(tmp_path: Path) -> None:
    clock = [1_700_000_000.0]
    with setting(tmp_path, cap=50, proxy={"period": "hour", "now": lambda: clock[0]}) as proxy:
        proxy.ask(max_tokens=20)
        with pytest.raises(openai.APIStatusError, match="begins anew at"):
            proxy.ask(max_tokens=20)
        clock[0] += 3600
        proxy.ask(max_tokens=20)


def test_a_second_server_on_the_same_file_holds_the_same_cap(tmp_path: Path) -> None:
    with setting(tmp_path, cap=50) as first, setting(tmp_path, cap=50) as second:
        first.ask(max_tokens=20)
        with pytest.raises(openai.APIStatusError, match="Error code: 402"):
            second.ask(max_tokens=20)
    with setting(tmp_path, cap=50) as again, pytest.raises(openai.APIStatusError, match="Error code: 402"):
        again.ask(max_tokens=20)
