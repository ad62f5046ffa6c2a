from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from apportion.cli.app import run
from apportion.stores.opening import open_store

OPTIMIZE = ["optimize", "sums_app:graph", "--tasks", "dev.jsonl", "--models", "pool.toml"]


def stderr_line(capsys: pytest.CaptureFixture[str]) -> str:
    """All of standard error, which must be one line."""
    text = capsys.readouterr().err
    assert text.count("\n") == 1, text
    return text


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from apportion.cli.app import run; run(['--help']); "
        "heavy = {'numpy', 'langgraph', 'openai', 'sqlalchemy', 'ortools', 'networkx', 'pydantic'}; "
        "print('heavy:', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "optimize" in done.stdout
    assert done.stdout.splitlines()[-1] == "heavy: []"


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
