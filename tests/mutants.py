"""Breaks the package one line at a time, and says which breaks no test notices.

    python tests/mutants.py [--jobs N] [WORD ...]

`mutants.toml` lists what is broken: a file, a text that occurs in it once, what stands there instead, and the tests
that must fail then. Each is tried in a copy of the tree; the tree itself is never changed. With words, only those
mutants are tried whose file or description has one of them. Exits with 1 where a mutant survives, or cannot be tried
because its text is nowhere any more.
"""

from __future__ import annotations

import argparse
import os
import queue
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

ROOT = Path(__file__).resolve().parents[1]
LIST = Path(__file__).with_name("mutants.toml")
SECONDS = 600
"""After so long the tests of a mutant hang, and it counts as noticed."""
_APART = {".venv", "tests", "benchmarks", "training", "examples", "docs", "build", "dist"}
"""Folders at the root that are no part of the package."""
_PASSED, _FAILED = 0, 1
"""What pytest exits with."""

Fate = Literal["noticed", "survives", "stale"]


class Stale(Exception):
    """An entry of the list that fits the tree no longer, or tests that cannot be run."""


@dataclass(frozen=True)
class Mutant:
    """One broken line."""

    breaks: str
    """What is wrong then, in a few words."""
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    """Files or tests, as pytest takes them."""
    survives: str = ""
    """Why no test can notice it, where that is so."""

    def place(self, root: Path) -> Path:
        """The file that holds the text: the one that is named or, where code has moved, the only one that does.

        Raises:
            Stale: the text is nowhere, or more than once.
        """
        named = root / self.file
        if named.is_file() and named.read_text().count(self.old) == 1:
            return named
        sources = (path for path in root.rglob("*.py") if path.relative_to(root).parts[0] not in _APART)
        found = [path for path in sources if self.old in path.read_text()]
        if len(found) == 1 and found[0].read_text().count(self.old) == 1:
            return found[0]
        where = ", ".join(str(path.relative_to(root)) for path in found) or "no file"
        raise Stale(f"{self.breaks}: {self.old!r} must stand once in {self.file}, but stands in {where}: mend it")

    def tests_at(self, root: Path) -> list[str]:
        """The tests; a file that has moved is found by its name.

        Raises:
            Stale: there is no such file, or more than one.
        """
        return [self._test_at(root, test) for test in self.tests]

    def _test_at(self, root: Path, test: str) -> str:
        path, _, name = test.partition("::")
        if not (root / path).exists():
            found = list((root / "tests").rglob(Path(path).name))
            if len(found) != 1:
                raise Stale(f"{self.breaks}: there is no {path}: mend it")
            path = str(found[0].relative_to(root))
        return f"{path}::{name}" if name else path


def read_list(path: Path = LIST) -> list[Mutant]:
    """The mutants of a list."""
    return [Mutant(**{**entry, "tests": tuple(entry["tests"])}) for entry in tomllib.loads(path.read_text())["mutant"]]


def failure_of(root: Path, tests: Sequence[str]) -> str:
    """How tests fail in a copy of the tree, empty where they pass; its folder is named as the package to be imported.

    Raises:
        Stale: they cannot be run.
    """
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    alone = {"PYTHONPATH": str(root.parent), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "OMP_NUM_THREADS": "1"}
    environment = {**os.environ, **alone}
    try:
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return f"not done after {SECONDS} s"
    said = (done.stdout + done.stderr).strip()[-2000:]
    if done.returncode not in (_PASSED, _FAILED):
        raise Stale(f"pytest could not run: {said}")
    return said if done.returncode else ""


def try_out(mutant: Mutant, root: Path) -> Fate:
    """What becomes of a mutant in a copy of the tree, which is as before afterwards.

    Raises:
        Stale: it does not fit, or its tests cannot be run.
    """
    place, tests = mutant.place(root), mutant.tests_at(root)
    whole = place.read_text()
    try:
        _write(place, whole.replace(mutant.old, mutant.new))
        return "noticed" if failure_of(root, tests) else "survives"
    finally:
        _write(place, whole)


def copy_tree(folder: Path) -> Path:
    """A copy of the tree in a folder of its own."""
    root = folder / "apportion"
    ignored = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "*.db")
    shutil.copytree(ROOT, root, ignore=ignored, symlinks=True)
    return root


def main(arguments: Sequence[str]) -> int:
    """Tries the mutants and prints what became of each."""
    parser = argparse.ArgumentParser(prog="mutants", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("words", nargs="*", help="try only mutants whose file or description has one of these")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    given = parser.parse_args(arguments)
    mutants = [m for m in read_list() if not given.words or any(word in f"{m.file} {m.breaks}" for word in given.words)]
    started = time.monotonic()
    with TemporaryDirectory(prefix="mutants-") as folder:
        trees: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for number in range(max(1, given.jobs)):
            trees.put(copy_tree(Path(folder) / str(number)))

        if failure := _failure_unbroken(mutants, Path(folder) / "0" / "apportion"):
            print(f"the tests fail without any mutant; mend them first:\n{failure}")
            return 1

        def one(mutant: Mutant) -> bool:
            root, begun = trees.get(), time.monotonic()
            try:
                fate, said = try_out(mutant, root), mutant.breaks + (mutant.survives and f" ({mutant.survives})")
            except Stale as stale:
                fate, said = "stale", str(stale)
            finally:
                trees.put(root)
            print(f"{fate:9}{time.monotonic() - begun:4.0f} s  {said}", flush=True)
            return fate == ("survives" if mutant.survives else "noticed")

        with ThreadPoolExecutor(max(1, given.jobs)) as pool:
            right = list(pool.map(one, mutants))
    wrong = [mutant.breaks for mutant, fine in zip(mutants, right, strict=True) if not fine]
    seconds = time.monotonic() - started
    print(f"{len(mutants)} mutants in {seconds:.0f} s; {len(wrong)} not as they should be", *wrong, sep="\n  ")
    return int(bool(wrong))


def _failure_unbroken(mutants: Sequence[Mutant], root: Path) -> str:
    tests: set[str] = set()
    for mutant in mutants:
        with suppress(Stale):  # told when its turn comes
            tests.update(mutant.tests_at(root))
    return failure_of(root, sorted(test for test in tests if test.partition("::")[0] not in tests - {test}))


def _write(place: Path, text: str) -> None:
    place.write_text(text)
    # Python tells by second and size whether a file has changed, and both may be as before.
    Path(cache_from_source(str(place))).unlink(missing_ok=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
