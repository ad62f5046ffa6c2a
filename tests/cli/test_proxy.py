from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI

from apportion.cli.app import run
from apportion.serving.keys import Keys
from apportion.stores.opening import open_store
from apportion.testing.fault_server import FaultServer
from apportion.testing.fault_stream import Streaming

HI: Any = [{"role": "user", "content": "hi"}]


@contextmanager
def proxy(folder: Path, upstream: FaultServer, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command in a process of its own, and where it listens."""
    (folder / "pool.toml").write_text(
        f'[models.m]\nbase_url = "{upstream.base_url}"\noutput_cap = "max_tokens"\nattempts = 1\nconcurrency = 100\n'
    )
    told = folder / "told.json"
    command = [sys.executable, "-m", "apportion", "proxy", "--models", str(folder / "pool.toml"), "--port", "0"]
    command += ["--db", str(folder / "trace.db"), "--json", str(told), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        try:
            assert started.stdout is not None
            line = started.stdout.readline()
            assert "serving m at http://127.0.0.1" in line, started.communicate()
            yield started, json.loads(told.read_text())["base_url"]
        finally:
            if started.poll() is None:
                started.kill()


def ask(base_url: str, **fields: Any) -> Any:
    with OpenAI(base_url=base_url, api_key="none", max_retries=0) as client:
        return client.chat.completions.create(**{"model": "m", "messages": HI, "max_tokens": 30, **fields})


@pytest.mark.skipif(os.name != "posix", reason="signals are sent")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_a_stream_end_and_the_books_are_right(number: signal.Signals, tmp_path: Path) -> None:
    with FaultServer(reply=lambda body: "y" * 60, streaming=Streaming(pause=0.03), bytes_per_token=1) as upstream:
        with proxy(tmp_path, upstream, "--cap", "1e6", "--period", "day") as (started, base_url):
            with OpenAI(base_url=base_url, api_key="none", max_retries=0) as client:
                stream = client.chat.completions.create(model="m", messages=HI, max_tokens=90, stream=True)
                first = next(stream)
                started.send_signal(number)
                said = "".join(chunk.choices[0].delta.content or "" for chunk in (first, *stream))
            assert said == "y" * 60
            _, complaint = started.communicate(timeout=60)
            assert (started.returncode, complaint) == (0, "")
        with open_store(tmp_path / "trace.db", read_only=True) as store:
            (one,) = store.runs()
            assert one.charged.tokens == upstream.billed_tokens


@pytest.mark.skipif(os.name != "posix", reason="a signal is sent")
def test_killed_in_the_middle_and_started_again_the_cap_holds(tmp_path: Path) -> None:
    cap = 2_500
    with FaultServer(reply=lambda body: "y" * 20, latency=0.05, bytes_per_token=1) as upstream:
        for turn in range(3):
            with proxy(tmp_path, upstream, "--cap", str(cap)) as (started, base_url):
                threads = [
                    threading.Thread(target=_until_it_fails, args=(base_url, bool(number % 2))) for number in range(16)
                ]
                for thread in threads:
                    thread.start()
                upstream.wait_for(upstream.requests + (8 if turn < 2 else 0))
                if turn < 2:
                    started.kill()
                for thread in threads:
                    thread.join(60)
                if turn == 2:
                    with pytest.raises(openai.APIStatusError, match="Error code: 402"):
                        ask(base_url, max_tokens=1_000)
                    started.terminate()
                    started.communicate(timeout=60)
        with open_store(tmp_path / "trace.db") as store:
            balance = store.balance("proxy/all")
        assert balance.reserved.tokens == 0
        assert upstream.billed_tokens <= (balance.charged + balance.lost).tokens <= cap
        assert balance.lost.tokens > 0


def _until_it_fails(base_url: str, stream: bool) -> None:
    try:
        for _ in range(20):
            told = ask(base_url, stream=stream)
            if stream:
                list(told)
    except openai.APIError:
        return


def test_a_new_key_is_printed_apart_from_the_table_that_admits_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["proxy", "new-key", "ann"]) == 0
    printed = capsys.readouterr()
    key = printed.err.split()[-1]
    assert key not in printed.out
    (tmp_path / "keys.toml").write_text(printed.out)
    assert Keys.read(tmp_path / "keys.toml", ["m"]).holder(f"Bearer {key}").name == "ann"
    assert run(["proxy", "new-key", "a b"]) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "say --cap"),
        (["--cap", "0"], "--cap must be a number above 0"),
        (["--cap", "5", "--host", "0.0.0.0", "--port", "0"], "give keys"),
        (["--cap", "5", "--host", "example.com"], "'example.com' is not an address"),
        (["--cap", "5", "--keys", "no.toml"], "no.toml"),
        (["--cap", "5", "--models", "no.toml"], "no.toml"),
        (["--cap", "5", "--allow-host", "http://x", "--port", "0"], "is no host name"),
        (["--cap", "5", "--log-outcomes", "no/such/file", "--port", "0"], "cannot write 'no/such/file'"),
    ],
)
def test_what_cannot_be_served_is_one_clear_line(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["proxy", *arguments]) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""


@pytest.mark.parametrize("arguments", [["--period", "week"], ["--port", "-1"], ["--grace", "x"], ["--unit", "eur"]])
def test_wrong_words_exit_with_2(arguments: list[str]) -> None:
    assert run(["proxy", "--cap", "5", *arguments]) == 2
