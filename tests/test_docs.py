"""Every Python block of the documents runs, and every command line that they name exists."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import typer

import apportion
from apportion import Cap, Graph, Pool, Solver, choose, generate, load_pocket_models, open_store, optimize
from apportion.cli.app import app

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
QUERY = re.compile(r"^```sql\n(.*?)^```", re.MULTILINE | re.DOTALL)
PRINTED = re.compile(r"# .*?-> (.*)$", re.MULTILINE)
COMMAND = re.compile(r"^\s*(?:\$ )?apportion (\w+)", re.MULTILINE)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_python_blocks_run_and_print_what_they_say(
    document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = BLOCK.findall(document.read_text(encoding="utf-8"))
    monkeypatch.chdir(tmp_path)
    module = ModuleType("document")  # with a source, as that of who tries the blocks out in a file or a notebook
    module.__file__ = str(tmp_path / "document.py")
    Path(module.__file__).write_text("\n".join(blocks), encoding="utf-8")
    monkeypatch.setitem(sys.modules, "document", module)
    for position, block in enumerate(blocks):
        exec(compile(block, f"{document.name}[{position}]", "exec", dont_inherit=True), vars(module))  # noqa: S102
    printed = capsys.readouterr().out.splitlines()
    assert [line for line in PRINTED.findall("\n".join(blocks)) if line not in printed] == []


WITH_SUITES = [path for path in DOCUMENTS if "class Test" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("document", WITH_SUITES, ids=lambda path: path.name)
def test_what_the_documents_add_passes_its_suite(document: Path, tmp_path: Path) -> None:
    module = tmp_path / "test_document.py"
    module.write_text("\n".join(BLOCK.findall(document.read_text(encoding="utf-8"))), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(module)]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
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


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of a small study."""
    path = tmp_path_factory.mktemp("docs") / "apportion.db"
    graph = Graph("documented").add("solve", Solver(style=choose("direct", "think"), max_output_tokens=32))
    pool = Pool(load_pocket_models()[:2])
    store = open_store(path)
    optimize(graph, generate("chains", 40, seed=1, difficulty=2), pool, cap=Cap(total=3_000), spend=40_000, store=store)
    store.close()
    return path


def names_in_tables(document: str) -> set[str]:
    """The names in the first column of a document's tables."""
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    cells = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    return set(re.findall(r"`(\w+)`", " ".join(cells)))


QUERIES = QUERY.findall((ROOT / "docs" / "database.md").read_text(encoding="utf-8"))


def test_there_are_queries() -> None:
    assert len(QUERIES) == 17


@pytest.mark.parametrize("query", QUERIES)
def test_queries_run_on_a_study(query: str, studied: Path) -> None:
    connection = sqlite3.connect(f"file:{studied}?mode=ro", uri=True)
    try:
        rows = connection.execute(query).fetchall()
    finally:
        connection.close()
    assert rows or re.search("FROM (charges|failures|unread_replies|gates|stages)", query)
    assert not any(all(value is None for value in row) for row in rows)


def test_the_tables_and_views_of_the_database_are_those_that_its_page_lists(studied: Path) -> None:
    connection = sqlite3.connect(f"file:{studied}?mode=ro", uri=True)
    try:
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')")}
    finally:
        connection.close()
    assert names_in_tables("database.md") == names


def test_the_glossary_explains_all_public_names() -> None:
    assert set(apportion.__all__) <= names_in_tables("glossary.md")
