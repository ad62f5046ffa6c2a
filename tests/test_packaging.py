"""The package list is kept by hand, because the repository root is the package; these tests keep it honest."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

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
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert set(settings["tool"]["setuptools"]["packages"]) == folders_with_code()


def test_every_folder_and_file_of_the_root_is_linked_for_type_checkers() -> None:
    rooms = {p.name for p in ROOT.iterdir() if (p / "__init__.py").exists() and p.name not in NOT_SHIPPED}
    files = {p.name for p in ROOT.glob("*.py")} | {"py.typed"}
    links = ROOT / ".types" / "apportion"
    assert {p.name for p in links.iterdir()} == rooms | files
    assert all(p.is_symlink() and p.resolve() == ROOT / p.name for p in links.iterdir())


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
