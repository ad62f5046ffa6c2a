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
APART = ("calculator.py", "endpoint.py")
"""Those with a test of their own."""
OFFLINE = sorted(path.name for path in EXAMPLES.glob("*.py") if path.name not in APART)


def run(name: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.parametrize("name", OFFLINE)
def test_examples_on_the_embedded_models_print_a_frontier(name: str, tmp_path: Path) -> None:
    assert frontier_of(name, tmp_path)


def frontier_of(name: str, folder: Path) -> list[str]:
    """The lines that an example prints, which are its frontier."""
    done = run(name, folder)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    scores = [float(line.split()[0]) for line in lines]
    assert scores == sorted(scores)
    assert scores[-1] > 0.2
    return lines


def test_the_calculator_answers_its_half_for_no_tokens(tmp_path: Path) -> None:
    from runpy import run_path

    from apportion import generate

    example = run_path(str(EXAMPLES / "calculator.py"))
    for steps in (1, 5, 12):
        for task in generate("chains", 10, seed=2, difficulty=steps):
            assert example["calculate"](task.question, {}, task).answer == task.gold
    (counting,) = generate("counting", 1, seed=2, difficulty=2)
    assert example["calculate"](counting.question, {}, counting).status.failed
    first = frontier_of("calculator.py", tmp_path)[0]
    assert first.split()[2] == "0.0"
    assert first.endswith("with calculate->judge")


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
