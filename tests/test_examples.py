"""The examples run as a user would run them: in a process of their own, in an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from apportion.stores.opening import open_store
from apportion.testing.fault_server import FaultServer

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
OFFLINE = sorted(path.name for path in EXAMPLES.glob("*.py") if path.name != "endpoint.py")


def run(name: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.parametrize("name", OFFLINE)
def test_examples_on_the_embedded_models_print_a_frontier(name: str, tmp_path: Path) -> None:
    done = run(name, tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines
    scores = [float(line.split()[0]) for line in lines]
    assert scores == sorted(scores)
    assert scores[-1] > 0.2


def think(body: Mapping[str, Any]) -> str:
    return f"6 times 7 is 42.\nAnswer: {42 if body['temperature'] > 0 else 41}"


def test_the_endpoint_example_talks_to_a_server(tmp_path: Path) -> None:
    with FaultServer(reply=think) as server:
        pool = tmp_path / "pool.toml"
        pool.write_text(f'[models.local]\nbase_url = "{server.base_url}"\noutput_cap = "max_tokens"\n')
        done = run("endpoint.py", tmp_path, str(pool), "What is 6 times 7?")
        billed, requests = server.billed_tokens, server.requests
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "42"
    assert requests == 3
    store = open_store(tmp_path / "endpoint.db", read_only=True)
    (kept,) = store.runs()
    store.close()
    assert kept.charged.tokens == billed


def test_the_pool_file_of_the_examples_is_valid() -> None:
    from apportion import Pool

    assert Pool.from_toml(EXAMPLES / "endpoint.toml").names == ("small", "thinker")
