"""The examples run as a user would run them: in a process of their own, in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from apportion.stores.opening import open_store
from apportion.testing.fault_server import FaultServer

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
APART = (
    "agent.py",
    "calculator.py",
    "code_graded.py",
    "endpoint.py",
    "extraction.py",
    "judged_summary.py",
    "langgraph_app.py",
    "mcp_server.py",
    "replicas.py",
    "sums_and_codes.py",
    "text_to_sql.py",
    "towns_server.py",
)
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
    return checked(printed(name, folder))


def printed(name: str, folder: Path) -> list[str]:
    done = run(name, folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.splitlines()


def checked(lines: list[str]) -> list[str]:
    scores = [float(line.split()[0]) for line in lines]
    assert scores == sorted(scores)
    assert scores[-1] > 0.2
    return lines


def test_an_unchanged_langgraph_app_gets_a_plan_that_beats_every_single_model(tmp_path: Path) -> None:
    lines = printed("langgraph_app.py", tmp_path)
    found, unseen, single, difference, outside = lines
    assert found.startswith("plan found: {'reader': 'pocket-100k-reading'")
    scores = [float(line.rpartition(": ")[2].partition(" ")[0]) for line in (unseen, single)]
    assert scores[0] >= scores[1]
    least, share = re.findall(r"\(([-+.0-9]+) to .* at ([0-9]+)%", difference)[0]
    assert float(least) >= 0
    assert int(share) <= 70
    one, other = re.findall(r"[0-9]+[.][0-9]{2}", outside)
    assert one == other


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


PAGE = EXAMPLES.parent / "docs" / "examples.md"


@pytest.mark.parametrize("name", ["extraction.py", "text_to_sql.py", "code_graded.py"])
def test_examples_on_recorded_replies_print_what_their_page_says(name: str, tmp_path: Path) -> None:
    lines = printed(name, tmp_path)
    frontier = checked([line for line in lines if " tokens a question: " in line])
    assert len(frontier) >= 2
    assert lines[: len(frontier)] == frontier
    assert len(lines) > len(frontier)
    assert "\n".join(["```text", *lines, "```"]) in PAGE.read_text(encoding="utf-8")


def test_the_page_lists_every_example() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [path.name for path in EXAMPLES.iterdir() if path.is_file() and f"`{path.name}`" not in page] == []


RIGHT = "def double(n):\n    return 2 * n"
TESTS = "assert double(2) == 4\nassert double(0) == 0"


@pytest.mark.parametrize(
    ("code", "right"),
    [
        (RIGHT, True),
        ("def double(n):\n    return n * n + 1", False),
        ("def double(n:", False),
        ("raise SystemExit(0)", False),
        ("import os\nos._exit(0)", False),
        (f"{RIGHT}\n'''", False),
        ("while True:\n    pass", False),
        (f"{RIGHT}\nhoard = bytearray(2 * 1024**3)", False),
        (f"{RIGHT}\nopen('left', 'w').write('x' * 9999)", False),
        (f"{RIGHT}\nprint('x' * 10**6)", True),
        (f"import os\n{RIGHT}\nassert not os.listdir() and 'PATH' not in os.environ", True),
    ],
)
def test_the_metric_of_the_code_example_passes_right_code_alone(
    code: str, right: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apportion import Task
    from apportion.tasks.metrics import CheckedMetric, resolve_metric

    monkeypatch.syspath_prepend(str(EXAMPLES))
    metric = resolve_metric("code_graded:passes")
    assert isinstance(metric, CheckedMetric)
    assert metric(Task(question="Write `double(n)`.", gold=TESTS), code) == float(right)


def test_the_data_of_the_examples_is_graded_by_its_gold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from shutil import copy

    from apportion import load_tasks
    from apportion.tasks.metrics import resolve_metric

    monkeypatch.chdir(tmp_path)
    copy(EXAMPLES / "data" / "shop.sqlite", tmp_path)
    for name, metric in (("invoices", "json_fields"), ("shop", "sql")):
        tasks = load_tasks(EXAMPLES / "data" / f"{name}.jsonl")
        scores = [resolve_metric(metric)(task, task.gold) for task in tasks]
        assert scores == [1.0] * 40


def test_one_failing_replica_of_three_loses_no_question(tmp_path: Path) -> None:
    answered, books, states = printed("replicas.py", tmp_path)
    assert answered.startswith("60 of 60 answered; requests: ")
    assert all(int(count) > 0 for count in answered.partition("requests: ")[2].split(", "))
    assert books.endswith("<= cap 20,000: True")
    assert states.startswith("states: admitted, ")
    assert states.endswith(", admitted")


def test_the_agent_needs_three_rounds(tmp_path: Path) -> None:
    lines = frontier_of("agent.py", tmp_path)
    assert lines[-1].startswith("1.00 for ")
    assert lines[-1].endswith("with 3 rounds")
    assert len(lines) <= 2


def test_an_agent_asks_an_mcp_server_under_a_cap_in_dollars(tmp_path: Path) -> None:
    (line,) = printed("mcp_server.py", tmp_path)
    assert line.startswith("15 of 15 right; ")
    assert line.endswith(" USD, of which the calls of the server cost 0.030")
    assert float(line.split()[4]) > 0.030


def test_the_judge_of_the_summaries_prefers_those_that_keep_the_facts(tmp_path: Path) -> None:
    lines = printed("judged_summary.py", tmp_path)
    frontier = checked(lines[:-4])
    assert frontier[-1].endswith("prompt facts, 96 tokens")
    judge, position, length, books = lines[-4:]
    assert " 0 without a verdict; with itself " in judge
    for line, control in ((position, "position"), (length, "length")):
        assert line.startswith(f"{control}: ")
        assert abs(float(line.split()[1])) < 0.06
    assert books == "verdicts are in the books: True"


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
