from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from apportion.cli.app import run
from apportion.stores.opening import open_store

POLICY = Path(__file__).parents[1] / "optimizers" / "serving" / "policies" / "study1.json"
"""On the embedded models."""


@pytest.mark.skipif(os.name != "posix", reason="a signal is sent")
def test_a_policy_is_served_until_a_signal(tmp_path: Path) -> None:
    told = tmp_path / "told.json"
    command = [sys.executable, "-m", "apportion", "serve", str(POLICY), "--port", "0", "--json", str(told)]
    command += ["--db", str(tmp_path / "trace.db"), "--cap", "1e5", "--per-question", "2000", "--period", "day"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        assert "serving policy" in started.stdout.readline()
        served = json.loads(told.read_text())
        assert served["models"][0] == "policy"
        messages: Any = [{"role": "user", "content": "12+34="}]
        with OpenAI(base_url=served["base_url"], api_key="none", max_retries=0) as client:
            completion: Any = client.chat.completions.create(model="policy@0.5", messages=messages)
        started.send_signal(signal.SIGTERM)
        _, complaint = started.communicate(timeout=60)
    assert (started.returncode, complaint) == (0, "")
    with open_store(tmp_path / "trace.db", read_only=True) as store:
        assert [store.run(run_id) is not None for run_id in completion.x_apportion["run_ids"]] == [True] * len(
            completion.x_apportion["run_ids"]
        )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no.json"], "no.json"),
        ([str(POLICY), "--cap", "0"], "--cap must be a number above 0"),
        ([str(POLICY), "--per-question", "-1"], "--per-question must be a number above 0"),
        ([str(POLICY), "--host", "0.0.0.0", "--port", "0"], "give keys"),
        ([str(POLICY), "--keys", "no.toml"], "no.toml"),
        ([str(POLICY), "--models", "no.toml"], "no.toml"),
    ],
)
def test_what_cannot_be_served_is_one_clear_line(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["serve", *arguments]) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""
