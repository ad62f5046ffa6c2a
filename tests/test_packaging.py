"""The package list is kept by hand, because the repository root is the package; these tests keep it honest."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOT_SHIPPED = {"tests", "examples", "docs", "benchmarks", "training"}


def folders_with_code() -> set[str]:
    found = {"apportion"}
    for path in ROOT.rglob("__init__.py"):
        parts = path.parent.relative_to(ROOT).parts
        if parts and parts[0] not in NOT_SHIPPED and not parts[0].startswith(".") and parts[0] != "build":
            found.add(".".join(("apportion", *parts)))
    return found


def test_every_folder_is_listed() -> None:
    assert set(settings()["tool"]["setuptools"]["packages"]) == folders_with_code()


def test_every_folder_and_file_of_the_root_is_linked_for_type_checkers() -> None:
    rooms = {p.name for p in ROOT.iterdir() if (p / "__init__.py").exists() and p.name not in NOT_SHIPPED}
    files = {p.name for p in ROOT.glob("*.py")} | {"py.typed"}
    links = ROOT / ".types" / "apportion"
    assert {p.name for p in links.iterdir()} == rooms | files
    assert all(p.is_symlink() and p.resolve() == ROOT / p.name for p in links.iterdir())


def settings() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def names(requirements: Iterable[str]) -> set[str]:
    return {re.split(r"[\[<>=!~ ]", requirement)[0].lower() for requirement in requirements}


def third_party(folder: str) -> dict[str, set[tuple[str, frozenset[str]]]]:
    """What shipped files import, with the packages that may bring it; of a folder, or of all others if it is empty."""
    owners = packages_distributions()
    found: dict[str, set[tuple[str, frozenset[str]]]] = {}
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT).parts
        if parts[0] in NOT_SHIPPED or parts[0].startswith(".") or (parts[0] == "testing") != (folder == "testing"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [str(node.module)] if isinstance(node, ast.ImportFrom) and not node.level else []
            for module in {module.partition(".")[0] for module in modules} - sys.stdlib_module_names - {"_typeshed"}:
                by = frozenset(name.lower() for name in owners.get(module, [module]))
                found.setdefault("/".join(parts), set()).add((module, by))
    return found


COMES_WITH = {
    "annotated-types": "pydantic",
    "h11": "uvicorn",
    "httpx2": "openai",
    "langchain-core": "langgraph",
    "pydantic_core": "pydantic",
    "typing_extensions": "pydantic",
}
"""Packages that are a part of another's interface."""


def test_what_is_imported_is_required_and_nothing_else() -> None:
    project = settings()["project"]
    required, extras = names(project["dependencies"]), project["optional-dependencies"]
    shipped = third_party("")
    allowed = (
        required
        | names(extras["parquet"])
        | names(extras["math"])
        | names(extras["frames"])
        | names(extras["mcp"])
        | {"apportion", *COMES_WITH}
    )
    strangers = {f"{file}: {module}" for file, found in shipped.items() for module, by in found if not by & allowed}
    assert strangers == set()
    imported = {package for found in shipped.values() for _, by in found for package in by}
    assert required <= imported
    for extra in ("frames", "math", "mcp", "parquet"):
        assert names(extras[extra]) <= imported
    for_tests = {module for found in third_party("testing").values() for module, by in found if not by & required}
    assert for_tests == names(extras["testing"])


@pytest.mark.parametrize(
    ("library", "files"),
    [
        ("pyarrow", ["optimizers/tables/log_columns.py", "records/parquet.py"]),
        ("mcp", ["nodes/servers/pipes.py", "nodes/servers/server.py"]),
        ("pandas", ["optimizers/study/report.py", "optimizers/study/report_frame.py"]),
    ],
)
def test_what_an_extra_brings_is_imported_in_few_places(library: str, files: list[str]) -> None:
    users = [file for file, found in third_party("").items() if any(module == library for module, _ in found)]
    assert sorted(users) == files


def test_extras_have_code() -> None:
    extras = set(settings()["project"]["optional-dependencies"])
    assert extras == {"frames", "math", "mcp", "parquet", "testing", "bench", "peers", "train", "dev"}


def test_the_face_imports_nothing_heavy() -> None:
    code = (
        "import sys, apportion; "
        "heavy = {'numpy', 'langgraph', 'openai', 'sqlalchemy', 'ortools', 'networkx', 'pydantic'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_module_of_the_root_shadows_the_standard_library() -> None:
    assert not {p.stem for p in ROOT.glob("*.py")} & sys.stdlib_module_names
