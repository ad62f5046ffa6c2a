from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import openai
import pytest
from openai import OpenAI

from apportion.cli.app import run
from apportion.models.pocket import pocket_names

SERVE = [sys.executable, "-m", "apportion", "pocket", "serve"]


@pytest.mark.skipif(os.name != "posix", reason="signals are sent")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_gracefully(number: signal.Signals, tmp_path: Path) -> None:
    told = tmp_path / "served.json"
    command = [*SERVE, "--port", "0", "--json", str(told)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        line = started.stdout.readline()
        served = json.loads(told.read_text())
        assert served["base_url"] in line
        assert served["models"] == list(pocket_names())
        with OpenAI(base_url=served["base_url"], api_key="none", max_retries=0) as client:
            chunks = client.chat.completions.create(
                model="pocket-100k",
                messages=[{"role": "user", "content": "T" + "+".join(["11"] * 13) + "="}],
                n=24,
                stream=True,
                stream_options={"include_usage": True},
            )
            next(iter(chunks))
            started.send_signal(number)
            rest = list(chunks)
            ended = [chunk.choices[0].index for chunk in rest if chunk.choices and chunk.choices[0].finish_reason]
            assert sorted(ended) == list(range(24))
            assert rest[-1].usage is not None
            printed, complaint = started.communicate(timeout=60)
            with pytest.raises(openai.APIConnectionError):
                client.models.list()
    assert started.returncode == 0
    assert printed == complaint == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "0.0.0.0"], "0.0.0.0 is not a loopback address"),
        (["--host", "example.com"], "'example.com' is not an address"),
        (["--port", "0", "--json", "no/such/folder/file"], "cannot write 'no/such/folder/file'"),
    ],
)
def test_what_cannot_be_served_is_one_clear_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["pocket", "serve", *arguments]) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""


@pytest.mark.parametrize("arguments", [["--port", "70000"], ["--port", "x"], ["--queue", "0"]])
def test_wrong_numbers_exit_with_2(arguments: list[str]) -> None:
    assert run(["pocket", "serve", *arguments]) == 2
