"""Every Python block of the documents runs, and every command line that they name exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from apportion.cli.app import app

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\s*(?:\$ )?apportion (\w+)", re.MULTILINE)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_python_blocks_run(document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = BLOCK.findall(document.read_text(encoding="utf-8"))
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "document"}
    for position, block in enumerate(blocks):
        exec(compile(block, f"{document.name}[{position}]", "exec"), names)  # noqa: S102


WITH_SUITES = [path for path in DOCUMENTS if "class Test" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("document", WITH_SUITES, ids=lambda path: path.name)
def test_what_the_documents_add_passes_its_suite(document: Path, tmp_path: Path) -> None:
    module = tmp_path / "test_document.py"
    module.write_text("\n".join(BLOCK.findall(document.read_text(encoding="utf-8"))), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(module)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_exist(document: Path) -> None:
    known = {command.name for command in app.registered_commands} | {group.name for group in app.registered_groups}
    assert set(COMMAND.findall(document.read_text(encoding="utf-8"))) <= known


def test_the_program_has_the_commands_that_the_readme_lists() -> None:
    assert isinstance(app, typer.Typer)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in app.registered_commands:
        assert f"apportion {command.name}" in text
