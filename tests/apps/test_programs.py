from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from apportion import Cap
from apportion.apps.programs import AppFailed, answer_text
from apportion.errors import UsageError
from apportion.graphs.result import Result
from apportion.records.status import Status

ASKING = """
import json, os, sys, urllib.request
def ask(content, model="worker", **more):
    body = {"model": model, "messages": [{"role": "user", "content": content}], **more}
    request = urllib.request.Request(
        os.environ["OPENAI_BASE_URL"] + "/chat/completions", json.dumps(body).encode(),
        {"authorization": "Bearer " + os.environ["OPENAI_API_KEY"], "content-type": "application/json"})
    with urllib.request.urlopen(request) as response:
        return json.load(response)["choices"][0]["message"]["content"]
question = sys.stdin.read()
"""


def script(code: str) -> list[str]:
    """A command that asks by the standard library alone."""
    return [sys.executable, "-c", ASKING + code]


def test_a_command_reads_the_question_and_prints_the_answer(run_app: Callable[..., Result]) -> None:
    result = run_app(script("print(ask(question), ask('4+4'))"))
    assert (result.answer, result.status) == ("3 8", Status.OK)
    assert result.charged.tokens == 56


def test_a_line_is_a_command_too(run_app: Callable[..., Result]) -> None:
    assert run_app(f"{sys.executable} -c 'import sys; print(sys.stdin.read() * 2)'").answer == "1+21+2"


def test_a_command_that_reads_nothing_or_prints_much(run_app: Callable[..., Result]) -> None:
    assert run_app([sys.executable, "-c", "print('done')"], question="x" * 150_000).answer == "done"
    loud = run_app([sys.executable, "-c", "print('x' * 3_000_000)"])
    assert (loud.status, "more than" in loud.reason) == (Status.TOOL_ERROR, True)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import sys; print('half'); sys.exit('no luck')", "exit code 1: no luck"),
        ("import os; os._exit(7)", "exit code 7"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
    ],
)
def test_a_command_that_fails_has_no_answer(run_app: Callable[..., Result], code: str, reason: str) -> None:
    result = run_app([sys.executable, "-c", code])
    assert (result.answer, result.status) == ("", Status.TOOL_ERROR)
    assert reason in result.reason


def test_a_command_that_answers_nothing(run_app: Callable[..., Result]) -> None:
    assert run_app([sys.executable, "-c", ""]).status is Status.SKIPPED


def test_a_command_that_is_not_there_is_a_mistake_of_the_callers(run_app: Callable[..., Result]) -> None:
    with pytest.raises(UsageError, match="nowhere-at-all"):
        run_app(["nowhere-at-all"])


def test_a_command_that_does_not_end_is_ended_with_its_children(run_app: Callable[..., Result], tmp_path: Path) -> None:
    code = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(120)'])\n"
        f"open({str(tmp_path / 'pids')!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        "time.sleep(120)"
    )
    result = run_app([sys.executable, "-c", code], timeout_seconds=3.0)
    assert (result.status, "timeout_seconds" in result.reason) == (Status.TIMEOUT, True)
    for pid in map(int, (tmp_path / "pids").read_text().split()):
        deadline = time.monotonic() + 20
        while _lives(pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not _lives(pid)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def test_an_uncaught_refusal_ends_a_command_as_a_matter_of_the_cap(run_app: Callable[..., Result]) -> None:
    result = run_app(script("print(ask(question, max_tokens=4000))"), cap=Cap(per_task=100))
    assert (result.status, result.stop_reason) == (Status.BUDGET, "budget")
    assert "402" in result.reason


def test_functions_of_every_form(run_app: Callable[..., Result]) -> None:
    async def later(question: str) -> str:
        await asyncio.sleep(0)
        return question

    class Callable_:
        def __call__(self, question: str) -> str:
            return question

    forms: list[Any] = [later, Callable_(), lambda question: later(question), str]
    assert [run_app(form).answer for form in forms] == ["1+2"] * 4


def test_an_exception_of_the_app_is_its_reason(run_app: Callable[..., Result]) -> None:
    def app(question: str) -> str:
        raise LookupError("not here\nmore lines")

    def leaves(question: str) -> str:
        sys.exit("bye")

    for each, reason in ((app, "LookupError: not here"), (leaves, "SystemExit: bye")):
        result = run_app(each)
        assert (result.status, result.reason) == (Status.TOOL_ERROR, reason)


def test_answers_become_text() -> None:
    message = SimpleNamespace(content="said")
    assert answer_text("said") == answer_text(message) == answer_text([SimpleNamespace(content="x"), message]) == "said"
    assert answer_text({"b": [1], "a": "ü"}) == '{"a": "ü", "b": [1]}'
    assert answer_text(3) == "3"
    for wrong in (None, object()):
        with pytest.raises(AppFailed, match="must return"):
            answer_text(wrong)


@pytest.mark.skipif(os.name != "posix", reason="a shell is needed")
@pytest.mark.parametrize("left", ["sleep 120 &", pytest.param("setsid sleep 10 &", id="in a group of its own")])
def test_a_child_left_behind_does_not_hold_up_the_answer(run_app: Callable[..., Result], left: str) -> None:
    result = run_app(["sh", "-c", f"{left} echo done"], timeout_seconds=60.0)
    assert (result.answer, result.status) == ("done", Status.OK)


@pytest.mark.parametrize("known", [None, "example.com"])
def test_a_proxy_of_the_machine_is_not_sent_the_runs_key(
    run_app: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, known: str | None
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        if known is not None:
            monkeypatch.setenv(name, known)
    result = run_app(script("print(ask(question), os.environ['NO_PROXY'])"))
    assert result.answer == ("3 127.0.0.1" if known is None else "3 example.com,127.0.0.1")


def test_blocks_of_a_message_become_its_text() -> None:
    blocks = [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "4"}, {"type": "text", "text": "2"}]
    message = SimpleNamespace(content=blocks)
    assert answer_text(message) == answer_text([SimpleNamespace(content="x"), message]) == "42"
    assert answer_text([{"a": 1}]) == '[{"a": 1}]'
