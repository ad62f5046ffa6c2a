from __future__ import annotations

import ast
import io
import json
import re
import sys
from pathlib import Path

import pytest

import apportion.cli
from apportion.cli.app import run
from apportion.cli.output import any_encoding, cell, complain, say
from apportion.testing.fault_server import FaultServer

CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
HOSTILE = "\x1b[2J\x1b]0;PWNED\x07\x9b31m\u202eabc\0 [bold]x[/bold]"
KEY = "sk-" + "proj-" + "CANARYabcdefghijklmnop0123456789"


def test_what_the_encoding_lacks_is_printed_as_an_escape(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="cp1252", write_through=True))
    with any_encoding():
        say("é π 北京")
    assert raw.getvalue() == b"\xe9 \\u03c0 \\u5317\\u4eac\n"
    with pytest.raises(UnicodeEncodeError):
        say("π")


def test_errors_show_neither_keys_nor_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    complain(f"one {KEY}\ntwo {HOSTILE}")
    first, second = capsys.readouterr().err.splitlines()
    assert first == "apportion: one [redacted]"
    assert second.startswith(r"apportion: two \x1b[2J\x1b]0;PWNED\x07\x9b31m\u202eabc\x00 [bold]")


def test_cells_hold_no_markup_and_no_control_characters() -> None:
    assert cell(HOSTILE).plain.endswith(r"\u202eabc\x00 [bold]x[/bold]")


def test_commands_print_through_this_door_alone() -> None:
    found = []
    for path in sorted(Path(apportion.cli.__path__[0]).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            named = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            if named in ("print", "Text") and path.name not in ("output.py", "layout.py"):
                found.append(f"{path.name}:{node.lineno}")  # type: ignore[attr-defined]
    assert found == []


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii"])
def test_what_a_model_wrote_reaches_no_terminal_and_json_has_it_whole(
    folder: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    raw = io.BytesIO()
    for stream in ("stdout", "stderr"):
        monkeypatch.setattr(sys, stream, io.TextIOWrapper(raw, encoding=encoding, write_through=True))
    answer = f"北京 {HOSTILE}"
    with FaultServer(reply=lambda body: f"Answer: {answer}") as server:
        (folder / "pool.toml").write_text(f'[models."[red]\\u001b"]\nbase_url = "{server.base_url}"\n')
        asked = ["run", "sums_app:graph", "why?\x1b[31m", "--models", "pool.toml", "--json", "run.json"]
        assert run(asked) == 0
        assert run(["models", "--models", "pool.toml", "--json", "models.json"]) == 0
        answered = json.loads((folder / "run.json").read_text())
        assert answered["answer"] == answer
        for command in (["runs", "--json", "runs.json"], ["show", answered["run_id"], "--full", "--json", "show.json"]):
            assert run(command) == 0
    said = raw.getvalue().decode(encoding)
    assert not CONTROL.search(said)
    assert said.count(r"\x1b[2J") == 5
    assert r"[red]\x1b" in said
    assert json.loads((folder / "show.json").read_text())["run"]["answer"] == answer
    for name in ("run.json", "runs.json", "show.json", "models.json"):
        assert not CONTROL.search((folder / name).read_text())


def test_what_an_endpoint_says_of_its_failure_reaches_no_terminal(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "refusing.py").write_text(
        "from apportion import Graph, Pool, Solver\n"
        "from apportion.errors import CallFailed\n"
        "from apportion.records.status import Status\n"
        f"raise ValueError({f'{HOSTILE} {KEY}'!r})\n"
    )
    assert run(["run", "refusing:graph", "q", "--models", "pool.toml"]) == 2
    said = capsys.readouterr().err
    assert "PWNED" in said
    assert not CONTROL.search(said)
    assert KEY not in said
