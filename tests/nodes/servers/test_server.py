from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from apportion.errors import ToolServerError
from apportion.nodes.servers.pipes import Launch
from apportion.nodes.servers.server import ToolServer
from apportion.nodes.tool_costs import ToolResult

from .plain import command, ended, pids

LINUX = sys.platform == "linux"
SEEN = "\n".join(
    (
        "see",
        "[image of 5 bytes, image/png: it cannot be shown as text]",
        "[resource report: file:///report.pdf]",
        "within",
        "[resource file:///b of 6 bytes, x/y: it cannot be shown as text]",
    )
)


def launch(habit: str, *more: object, seconds: float = 30.0) -> Launch:
    return Launch(command(habit, *more), (), os.getcwd(), seconds)


def talk(habit: str, *more: object, calls: int = 1, seconds: float = 30.0) -> list[Any]:
    """What came of calls one after the other, the exceptions too."""
    server = ToolServer(launch(habit, *more, seconds=seconds))

    async def story() -> list[Any]:
        found: list[Any] = []
        for number in range(calls):
            try:
                found.append(await server.call("echo", {"text": f"{number}"}))
            except Exception as problem:  # noqa: BLE001 - whatever it is, it is compared
                found.append(problem)
        return found

    try:
        return asyncio.run(story())
    finally:
        server.close()


@pytest.mark.parametrize(
    ("habit", "result"),
    [
        ("honest", ToolResult("echo: 0")),
        ("prints", ToolResult("echo: 0")),
        ("pages", ToolResult("echo: 0")),
        ("writes much to its error stream", ToolResult("echo: 0")),
        ("fails", ToolResult("no such town\nin line 2", failed=True)),
        ("structures", ToolResult('{"people": 7}')),
        ("shows", ToolResult(SEEN)),
        ("huge", ToolResult("é" * 10_000_000)),
        ("cuts a sign", ToolResult("cut \ufffd")),
    ],
)
def test_a_call_comes_back_as_a_text(habit: str, result: ToolResult) -> None:
    assert talk(habit, calls=2)[0] == result


@pytest.mark.parametrize(
    ("habit", "reason"),
    [
        ("cannot start", "it ended with exit code 1; its last words were 'no configuration'; run the command by hand"),
        ("says nothing", "did not answer within start_seconds=1: it said nothing"),
        ("only prints", "it printed 'Usage: plain_server' to its output, where only messages belong"),
        ("old", "does not answer as an MCP server does: RuntimeError: Unsupported protocol version"),
        (
            "no dictionary",
            "does not answer as an MCP server does: ListToolsResult: tools.0.inputSchema: Input should be",
        ),
    ],
)
def test_a_server_that_cannot_be_used_is_an_error_that_says_why(habit: str, reason: str) -> None:
    (problem,) = talk(habit, seconds=30.0 if habit in ("cannot start", "no dictionary", "old") else 1.0)
    assert isinstance(problem, ToolServerError)
    assert reason in str(problem)
    assert f"{habit}'" in str(problem)


def test_a_command_that_is_none_is_an_error_that_says_so() -> None:
    server = ToolServer(Launch(("no-such-program-at-all",), (), os.getcwd(), 30.0))
    with pytest.raises(ToolServerError, match="cannot start 'no-such-program-at-all'"):
        asyncio.run(server.tools())
    server.close()
    gone = ToolServer(Launch(command("honest"), (), "/no/such/folder", 30.0))
    with pytest.raises(ToolServerError, match="cannot be started"):
        asyncio.run(gone.tools())
    gone.close()


def test_a_variable_that_is_not_set_is_an_error_and_one_that_is_reaches_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TOWN_KEY", "k")
    monkeypatch.setenv("TOWN_SECRET", "s")
    for env, names in ((("TOWN_KEY",), ["TOWN_KEY"]), ((), ["nothing"])):
        server = ToolServer(Launch(command("environment"), env, os.getcwd(), 30.0))
        assert [tool.name for tool in asyncio.run(server.tools())] == names
        server.close()
    monkeypatch.delenv("TOWN_KEY")
    server = ToolServer(Launch(command("environment"), ("TOWN_KEY",), os.getcwd(), 30.0))
    with pytest.raises(ToolServerError, match="needs the environment variable TOWN_KEY"):
        asyncio.run(server.tools())
    server.close()


def test_who_waited_for_a_start_that_failed_does_not_wait_for_another(tmp_path: Path) -> None:
    server = ToolServer(launch("says nothing", tmp_path, seconds=1.0))

    async def story() -> list[Any]:
        return await asyncio.gather(*(server.tools() for _ in range(20)), return_exceptions=True)

    assert all(isinstance(problem, ToolServerError) for problem in asyncio.run(story()))
    assert len(pids(tmp_path)) == 1
    server.close()


def test_a_server_that_dies_is_started_again_a_few_times(tmp_path: Path) -> None:
    one, two, three, four, five = talk("dies", tmp_path, calls=5)
    for problem in (one, two, three):
        assert "ended during the call: it ended with exit code 3; its last words were 'out of luck'" in str(problem)
    for problem in (four, five):
        assert "has ended 3 times within a minute and is not started again for now" in str(problem)
    assert len(pids(tmp_path)) == 3


def test_after_a_death_the_next_call_is_answered(tmp_path: Path) -> None:
    one, two, three = talk("dies once", tmp_path, calls=3)
    assert "it ended with exit code 4" in str(one)
    assert (two, three) == (ToolResult("echo: 1"), ToolResult("echo: 2"))
    assert len(pids(tmp_path)) == 2


def test_what_breaks_the_protocol_breaks_one_call_only() -> None:
    one, two = talk("breaks off", calls=2)
    assert type(one) is type(two) is ValueError
    assert "the server returned what is no result: CallToolResult: content: Input should be" in str(one)


def test_arguments_that_cannot_be_written_fail_their_own_call_only() -> None:
    server = ToolServer(launch("honest"))

    async def story() -> list[Any]:
        await server.tools()
        odd: list[Any] = ["\ud800", *map(nested, range(240, 262))]
        calls = (asyncio.wait_for(server.call("echo", {"text": each}), 60) for each in odd)
        found = await asyncio.gather(*calls, return_exceptions=True)
        return [*found, await server.call("echo", {"text": "last"})]

    found = asyncio.run(story())
    server.close()
    assert not [each for each in found if isinstance(each, TimeoutError | ToolServerError)]
    assert "they cannot be written as JSON" in str(found[0])
    assert isinstance(found[1], ToolResult)
    assert isinstance(found[-2], Exception)
    assert found[-1] == ToolResult("echo: last")


def nested(depth: int) -> Any:
    value: Any = ""
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.skipif(not LINUX, reason="reads /proc")
def test_of_a_server_that_has_ended_nothing_is_kept_until_the_next_call(tmp_path: Path) -> None:
    """Its process id may be another program's by then, and that must not be killed."""
    server = ToolServer(launch("honest", tmp_path))
    asyncio.run(server.tools())
    files = len(os.listdir("/proc/self/fd"))
    (pid,) = pids(tmp_path)
    os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + 60
    while len(os.listdir("/proc/self/fd")) > files - 3 and time.monotonic() < until:
        time.sleep(0.01)
    assert len(os.listdir("/proc/self/fd")) <= files - 3
    assert asyncio.run(server.call("echo", {"text": "a"})) == ToolResult("echo: a")
    server.close()


def test_where_no_thread_can_be_started_the_next_use_does_not_wait_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    server = ToolServer(launch("honest"))

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            asyncio.run(server.tools())
    assert asyncio.run(server.call("echo", {"text": "a"})) == ToolResult("echo: a")
    server.close()


def test_a_client_that_breaks_while_it_starts_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(self: ToolServer, answers: object) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(ToolServer, "_hold", broken)
    (problem,) = talk("honest")
    assert isinstance(problem, ToolServerError)
    assert "the MCP client broke" in str(problem)


def test_a_message_without_an_end_is_not_read_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apportion.nodes.servers.pipes._LINE_BYTES", 3_000_000)
    (problem,) = talk("never ends a line")
    assert "it wrote a message of more than 3,000,000 bytes" in str(problem)


@pytest.mark.skipif(not LINUX, reason="reads /proc")
@pytest.mark.parametrize("habit", ["honest", "stays", "sleeps"])
def test_a_closed_server_has_ended_whatever_it_does(habit: str, tmp_path: Path) -> None:
    server = ToolServer(launch(habit, tmp_path))

    async def story() -> None:
        await server.tools()
        if habit == "sleeps":
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(server.call("echo", {"text": "a"}), 0.1)

    asyncio.run(story())
    server.close()
    (pid,) = pids(tmp_path)
    assert ended(pid)
    server.close()  # a second time it changes nothing


def test_a_server_serves_one_event_loop_after_another_and_several_at_once() -> None:
    from concurrent.futures import ThreadPoolExecutor

    server = ToolServer(launch("honest"))

    def ask(number: int) -> str:
        return str(asyncio.run(server.call("echo", {"text": f"{number}"})).text)

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, range(40))) == [f"echo: {number}" for number in range(40)]
    server.close()
