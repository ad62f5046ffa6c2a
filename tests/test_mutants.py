"""The list of mutants fits the tree, and the tool that tries them tells what it should."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def mutants() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("mutants", Path(__file__).with_name("mutants.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["mutants"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["mutants"]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A package of one module, which is tested in part."""
    root = tmp_path / "apportion"
    for path, text in {
        "__init__.py": "",
        "sums.py": "def double(x):\n    return 2 * x\n\n\ndef half(x):\n    return x / 2\n",
        "tests/test_sums.py": "from apportion.sums import double\n\n\ndef test_it():\n    assert double(2) == 4\n",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def test_every_entry_of_the_list_fits_the_tree(mutants: ModuleType) -> None:
    listed = mutants.read_list()
    assert len(listed) >= 25
    assert len({mutant.breaks for mutant in listed}) == len(listed)
    for mutant in listed:
        assert mutant.place(ROOT).exists()
        assert mutant.tests_at(ROOT)
        assert mutant.new != mutant.old


def test_it_tells_what_tests_notice_and_what_they_do_not(mutants: ModuleType, tree: Path) -> None:
    before = (tree / "sums.py").read_text()
    noticed = mutants.Mutant("doubling", "sums.py", "2 * x", "3 * x", ("tests/test_sums.py",))
    assert mutants.try_out(noticed, tree) == "noticed"
    survives: Any = replace(noticed, old="x / 2", new="x / 3")
    assert mutants.try_out(survives, tree) == "survives"
    assert (tree / "sums.py").read_text() == before
    assert mutants.failure_of(tree, ["tests/test_sums.py"]) == ""
    with pytest.raises(mutants.Stale, match="could not run"):
        mutants.try_out(replace(noticed, tests=("tests/test_sums.py::test_other",)), tree)


def test_what_has_moved_is_found_and_what_is_gone_is_named(mutants: ModuleType, tree: Path) -> None:
    mutant: Any = mutants.Mutant("doubling", "old/place.py", "2 * x", "3 * x", ("tests/old/test_sums.py::test_it",))
    assert mutant.place(tree) == tree / "sums.py"
    assert mutant.tests_at(tree) == ["tests/test_sums.py::test_it"]
    with pytest.raises(mutants.Stale, match=r"'5 \* x' must stand once in old/place.py, but stands in no file"):
        replace(mutant, old="5 * x").place(tree)
    with pytest.raises(mutants.Stale, match=r"stands in sums\.py: mend"):
        replace(mutant, file="sums.py", old="(x)").place(tree)
    with pytest.raises(mutants.Stale, match=r"there is no tests/test_gone\.py"):
        replace(mutant, tests=("tests/test_gone.py",)).tests_at(tree)
