from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Mapping
from contextlib import closing
from importlib.metadata import version
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from apportion.cli import app
from apportion.cli.app import run
from apportion.optimizers.policies.registry import POLICIES
from apportion.optimizers.search.registry import OPTIMIZERS
from apportion.records import ZERO
from apportion.records.display import visible
from apportion.registry import Registry
from apportion.stores.opening import open_store
from apportion.tasks.metrics import METRICS
from apportion.testing.fault_server import Behaviour, FaultServer

OPTIMIZE = ["optimize", "sums_app:graph", "--tasks", "dev.jsonl", "--models", "pool.toml"]


def stderr_line(capsys: pytest.CaptureFixture[str]) -> str:
    """All of standard error, which must be one line."""
    text = capsys.readouterr().err
    assert text.count("\n") == 1, text
    return text


@pytest.mark.parametrize(
    "arguments",
    [
        ["\u202ered\x1b[31m"],
        ["fit", "--\u202ered\x1b[31m"],
        ["runs", "\u202ered\x1b[31m", "\u2066"],
        ["fit", "--outcomes", "log.csv", "--unit", "\u202ered\x9b31m"],
    ],
)
def test_wrong_arguments_are_repeated_without_control_characters(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    said = capsys.readouterr().err
    assert "Usage: " in said
    assert "\\u202ered" in said
    assert visible(said) == said


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from apportion.cli.app import run; run(['--help']); "
        "heavy = {'numpy', 'langgraph', 'openai', 'sqlalchemy', 'ortools', 'networkx', 'pydantic'}; "
        "print('heavy:', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "optimize" in done.stdout
    assert done.stdout.splitlines()[-1] == "heavy: []"


@pytest.mark.parametrize(
    ("command", "tables"),
    [
        ("fit", {"--policy": POLICIES}),
        ("optimize", {"--metric": METRICS, "--optimizer": OPTIMIZERS, "--policies": POLICIES}),
    ],
)
def test_help_lists_the_names_that_options_take(
    command: str, tables: dict[str, Registry[object]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command, "--help"]) == 0
    listed = capsys.readouterr().out.split("Names:\n")[1].replace("-\n", "-")
    rows = re.split(r"\s*(--\w+)\s+", listed)[1:]
    assert {option: re.split(r",\s+", names.strip()) for option, names in zip(rows[::2], rows[1::2], strict=True)} == {
        option: list(table) for option, table in tables.items()
    }


def test_a_librarys_deprecation_is_not_for_who_types(capsys: pytest.CaptureFixture[str]) -> None:
    for category, shown in ((DeprecationWarning, 0), (PendingDeprecationWarning, 0), (UserWarning, 1)):
        app._warn("soon gone", category, "library.py", 1)
        assert capsys.readouterr().err.count("apportion: soon gone") == shown


def test_the_version_is_that_of_the_installed_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"{version('apportion')}\n"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["optimize", "nowhere:graph"], "no module 'nowhere'"),
        (["optimize", "sums_app"], "MODULE:NAME"),
        (["optimize", "sums_app:grap"], "did you mean 'graph'"),
        (["optimize", "sums_app:not_a_graph"], "is a int, not a Graph"),
        (["optimize", "missing.py:graph"], "no file 'missing.py'"),
    ],
)
def test_a_graph_that_cannot_be_had_is_one_clear_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rest = ["--tasks", "dev.jsonl", "--models", "pool.toml", "--cap", "1e6", "--spend", "1e6"]
    assert run([*arguments, *rest]) == 2
    assert said in stderr_line(capsys)


def test_a_bad_line_of_a_dev_set_names_file_line_and_field(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "dev.jsonl").write_text('{"question": "1?", "gold": "1"}\n{"qestion": "2?", "gold": "2"}\n')
    assert run([*OPTIMIZE, "--cap", "1e6", "--spend", "1e6"]) == 2
    assert "dev.jsonl:2, field 'qestion'" in stderr_line(capsys)


def test_an_infeasible_cap_exits_with_3_before_any_call(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*OPTIMIZE, "--cap", "10", "--spend", "1e6"]) == 3
    assert "needs" in stderr_line(capsys)
    store = open_store(folder / "apportion.db", read_only=True)
    assert store.runs() == []
    store.close()


def test_an_unreachable_endpoint_is_one_clear_line_and_nothing_is_written(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "pool.toml").write_text('[models.local]\nbase_url = "http://127.0.0.1:9/v1"\n')
    assert run([*OPTIMIZE, "--cap", "1e6", "--spend", "1e6"]) == 2
    assert "127.0.0.1:9" in stderr_line(capsys)
    assert not (folder / "apportion.db").exists()


def test_a_missing_key_names_the_variable(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SUMS_KEY", raising=False)
    with (folder / "pool.toml").open("a") as pool:
        pool.write('api_key_env = "SUMS_KEY"\n')
    assert run([*OPTIMIZE, "--cap", "1e6", "--spend", "1e6"]) == 2
    assert "SUMS_KEY" in stderr_line(capsys)


@pytest.mark.usefixtures("folder")
def test_wrong_words_on_the_command_line_exit_with_2() -> None:
    assert run(["optimize", "--no-such-option"]) == 2
    assert run(["no-such-command"]) == 2


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([*OPTIMIZE, "--cap", "0", "--spend", "1e6"], "--cap must be a number above 0"),
        ([*OPTIMIZE, "--cap", "inf", "--spend", "1e6"], "--cap must be a number above 0"),
        ([*OPTIMIZE, "--cap", "1e6", "--spend", "nan"], "--spend must be a number above 0"),
        ([*OPTIMIZE, "--cap", "1e6", "--spend", "0"], "--spend must be a number above 0"),
        ([*OPTIMIZE, "--cap", "1e6", "--spend", "1e6", "--per-task", "-1"], "--per-task must be a number above 0"),
        (["run", "sums_app:graph", "2?", "--cap", "-5"], "--cap must be a number above 0"),
        (["run", "sums_app:graph", ""], "the question is empty"),
        (["demo", "--cap", "nan"], "--cap must be a number above 0"),
    ],
)
def test_a_number_that_is_none_is_one_clear_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    assert said in stderr_line(capsys)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import no_such_module_at_all", "broken_app.py:1: ModuleNotFoundError: No module named"),
        ("\n1 / 0", "broken_app.py:2: ZeroDivisionError: division by zero"),
        ("graph = (", "broken_app.py:1: SyntaxError: "),
        (
            "from apportion import Solver\nSolver(stile='think')",
            "broken_app.py:2: Solver: unknown setting 'stile'; did",
        ),
    ],
)
def test_a_module_that_breaks_is_named_with_its_line(
    code: str, said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sys.modules.pop("broken_app", None)
    (folder / "broken_app.py").write_text(code)
    assert run(["run", "broken_app.py:graph", "2?"]) == 2
    assert said in stderr_line(capsys)


def test_a_warning_is_a_line_without_source_code(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "warned_app.py").write_text(
        "import warnings\nwarnings.simplefilter('always')\nwarnings.warn('look out')\n"
    )
    assert run(["run", "warned_app.py:graph", "2?"]) == 2
    assert capsys.readouterr().err.splitlines()[0] == "apportion: look out"


def _heeding() -> None:
    """A shell starts what runs in its background with interrupts ignored, and so would be what that starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM to heed")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_search_says_that_it_goes_on(folder: Path, number: signal.Signals, code: int) -> None:
    with FaultServer(latency=5.0) as server:
        (folder / "pool.toml").write_text(f'[models.local]\nbase_url = "{server.base_url}"\n')
        command = [sys.executable, "-m", "apportion", *OPTIMIZE, "--cap", "1e6", "--spend", "1e6"]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=_heeding
        ) as started:
            server.wait_for(1, seconds=60)
            started.send_signal(number)
            _, complaint = started.communicate(timeout=60)
    assert started.returncode == code
    with open_store(folder / "apportion.db", read_only=True) as store:
        (study,) = store.studies()
        balance = store.balance(study.account_id)
    assert balance.reserved == ZERO
    assert server.billed_tokens <= balance.lost.tokens
    assert complaint == "apportion: stopped; what was settled is kept, and a search started again goes on from there\n"


def ask(folder: Path, *more: str, **settings: Any) -> subprocess.CompletedProcess[bytes]:
    """`apportion run` as a program of its own."""
    command = [sys.executable, "-m", "apportion", "run", "sums_app:graph", "2?", "--models", "pool.toml", *more]
    return subprocess.run(command, cwd=folder, check=False, **{"capture_output": True, "timeout": 60, **settings})


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_an_answer_that_the_terminal_cannot_show_is_escaped(folder: Path, encoding: str) -> None:
    with FaultServer(reply=lambda body: "Answer: \u03c0 \u5317 \U0001f600") as server:
        (folder / "pool.toml").write_text(f'[models.local]\nbase_url = "{server.base_url}"\n')
        done = ask(folder, env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"})
    assert (done.returncode, done.stderr) == (0, b"")
    answer = done.stdout.decode(encoding).splitlines()[0]
    assert answer == ("\u03c0 \u5317 \U0001f600" if encoding == "utf-8" else r"\u03c0 \u5317 \U0001f600")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_answer_that_cannot_be_printed_is_kept(folder: Path, unbuffered: str) -> None:
    with Path("/dev/full").open("wb") as full:
        done = ask(
            folder, "--json", "a.json", env={**os.environ, "PYTHONUNBUFFERED": unbuffered}, capture_output=False,
            stdout=full, stderr=subprocess.PIPE,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith(b"apportion: the output cannot be written (No space left on device)")
    assert json.loads((folder / "a.json").read_text())["answer"] == "42"
    with open_store(folder / "apportion.db", read_only=True) as store:
        assert [row.answer for row in store.runs()] == ["42"]


def test_an_answer_is_printed_although_the_books_cannot_be_closed(folder: Path) -> None:
    def reply(body: Mapping[str, Any]) -> str:
        (folder / "apportion.db").unlink()
        return "Answer: 42"

    with FaultServer(reply=reply) as server:
        (folder / "pool.toml").write_text(f'[models.local]\nbase_url = "{server.base_url}"\n')
        done = ask(folder)
    assert (done.returncode, done.stdout.splitlines()[0]) == (2, b"42")
    assert b"apportion.db was deleted" in done.stderr


def test_what_is_only_reserved_when_a_batch_is_killed_is_free_again(folder: Path) -> None:
    program = """
        import asyncio, sys
        from apportion import Pool, Task, open_store
        from apportion.graphs.run import Runner
        from sums_app import graph

        async def main():
            async with Runner(graph, Pool.from_toml("pool.toml"), open_store("apportion.db")) as runner:
                plan = runner.space.default()
                await asyncio.gather(*(runner.run(Task(question=f"{number:02}?"), plan) for number in range(20)))

        asyncio.run(main())
    """
    with FaultServer(repeat(Behaviour.HANG)) as server:
        (folder / "pool.toml").write_text(f'[models.local]\nbase_url = "{server.base_url}"\nconcurrency = 2\n')
        with subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], cwd=folder) as started:
            try:
                server.wait_for(2, seconds=60)
                until = time.monotonic() + 30
                while (held := open_reservations(folder)) < 20 and time.monotonic() < until:
                    time.sleep(0.02)
            finally:
                started.kill()
        assert held == 20
        assert server.requests == 2
    with open_store(folder / "apportion.db"):
        assert open_reservations(folder) == 0
    with closing(sqlite3.connect(folder / "apportion.db")) as connection:
        ended = "SELECT state, count(*), sum(lost_tokens) > 0 FROM reservation GROUP BY state ORDER BY state"
        assert connection.execute(ended).fetchall() == [("lost", 2, 1), ("settled", 18, 0)]


def open_reservations(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "apportion.db")) as connection:
        (held,) = connection.execute("SELECT count(*) FROM reservation WHERE state = 'open'").fetchone()
    return int(held)


def test_a_search_without_an_answer_says_why(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FaultServer(repeat(Behaviour.QUOTA)) as server:
        (folder / "pool.toml").write_text(f'[models.local]\nbase_url = "{server.base_url}"\n')
        assert run([*OPTIMIZE, "--cap", "1e6", "--spend", "1e6"]) == 2
        printed = stderr_line(capsys)
        assert "no model answered a single call" in printed
        assert "insufficient_quota" in printed
        assert run(["run", "sums_app:graph", "2?", "--models", "pool.toml"]) == 5
        assert capsys.readouterr().out.startswith(f"no answer: {server.base_url} answered 429: insufficient_quota")
