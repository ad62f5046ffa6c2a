"""What the commands read: graphs by MODULE:NAME, pools, plans, dev sets."""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from ..errors import PlanError, StoreError, UsageError
from ..imports import COMMANDS, imported, imported_module
from .output import complain

if TYPE_CHECKING:
    from ..graphs.graph import Graph
    from ..graphs.plan import Plan
    from ..models.pool import Pool
    from ..records.protocols import StudyStore
    from ..tasks.judge import Judge

__all__ = [
    "admitted",
    "check_pool",
    "find_plan",
    "load_graph",
    "load_judge",
    "load_pool",
    "positive",
    "preload",
    "program",
    "write_json",
]


def load_graph(where: str) -> Graph:
    """The graph that a module holds under a name; MODULE may be a dotted name or a path to a file.

    Raises:
        UsageError: the module or the name does not exist, or it is no graph.
    """
    from ..graphs.graph import Graph

    module, _, name = where.rpartition(":")
    if not module or not name:
        raise UsageError(f"{where!r} does not name a graph; write MODULE:NAME, for example my_app:graph")
    path = Path(module)
    if path.suffix == ".py" and not path.is_file():
        raise UsageError(f"no file {module!r}")
    folder, stem = (path.resolve().parent, path.stem) if path.suffix == ".py" else (Path.cwd(), module)
    with _importable(folder):
        graph = imported(f"{stem}:{name}", "graph", fits=lambda each: isinstance(each, Graph))
    if not isinstance(graph, Graph):
        raise UsageError(f"{where!r} is a {type(graph).__name__}, not a Graph")
    return graph


def admitted(allow: Sequence[str] | None) -> tuple[str, ...]:
    """What `--allow` names; files may name it then. Modules are imported, the current folder's first.

    Raises:
        UsageError: one cannot be imported.
    """
    with _importable(Path.cwd()):
        for name in allow or ():
            if not name.startswith(COMMANDS):
                imported_module(name, f"--allow {name}")
    return tuple(allow or ())


def preload(what: str, *names: str) -> None:
    """Imports what is named as MODULE:NAME, the current folder's first, so that it is found by that name later.

    Raises:
        UsageError: it cannot be imported.
    """
    with _importable(Path.cwd()):
        for name in names:
            if ":" in name:
                imported(name, what)


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Lets modules in a folder be imported, before others of their name; afterwards the others come first again.

    So a file in the user's folder never stands in for a library that is imported later.
    """
    place = str(folder)
    sys.path.insert(0, place)
    try:
        yield
    finally:
        sys.path.remove(place)
        if place not in sys.path:
            sys.path.append(place)


def positive(option: str, value: float) -> float:
    """The value of an option that must be a finite number above 0.

    Raises:
        UsageError: it is not.
    """
    if not (math.isfinite(value) and value > 0):
        raise UsageError(f"{option} must be a number above 0, not {value:g}")
    return value


def program() -> str:
    """What to type to start this program: its name, or where it is when it is not on the path."""
    called = Path(sys.argv[0])
    if called.name != "apportion" or shutil.which("apportion") is not None:
        return "apportion"
    return quote(str(called))


def load_pool(path: str | None) -> Pool:
    """The pool of a TOML file, or the embedded models where no file is named."""
    from ..models.pocket import load_pocket_models
    from ..models.pool import Pool

    return Pool.from_toml(path) if path is not None else Pool(load_pocket_models())


def load_judge(
    model: str | None, rubric: str | None, scale: str | None, votes: int | None, tokens: int | None, against: str
) -> Judge | None:
    """The judge of `--judge` and the options that belong to it; None where nobody is to judge.

    Raises:
        UsageError: one of the options is missing, or is not what it should be.
    """
    from ..records.prompt import Prompt
    from ..tasks.judge import Judge

    own = {
        "--judge": model,
        "--rubric": rubric,
        "--judge-scale": scale,
        "--judge-votes": votes,
        "--judge-tokens": tokens,
    }
    given = next((name for name, value in own.items() if value is not None), None)
    if given is None:
        return None
    if model is None or rubric is None:
        needed = " and ".join(
            f"{name} {what}" for name, what in (("--judge", "MODEL"), ("--rubric", "FILE")) if own[name] is None
        )
        raise UsageError(f"{given} needs {needed} as well: a model of the pool grades by a rubric")
    settings: dict[str, Any] = {"votes": votes, "max_output_tokens": tokens}
    if scale is not None:
        try:
            low, high = (float(end) for end in scale.split(","))
        except ValueError:
            raise UsageError(f"--judge-scale {scale}: write the worst and the best mark, for example 0,10") from None
        settings["scale"] = low, high
    said = {name: value for name, value in settings.items() if value is not None}
    return Judge(model, Prompt.file(rubric), against=against, **said)


def check_pool(pool: Pool) -> None:
    """Makes sure that every model of a pool is there, and says which of its replicas are not.

    Raises:
        PoolError: a model is not there.
    """
    from ..graphs.portal import run_sync

    for fault in run_sync(pool.check):
        complain(f"{fault}; other endpoints of the same model answer in its place")


def find_plan(where: str, store: StudyStore | None) -> Plan:
    """The plan of a JSON file, or the one in the store whose hash begins so.

    Raises:
        PlanError: there is none, or more than one.
    """
    from ..graphs.plan import Plan
    from ..records.files import read_text

    if Path(where).is_file():
        return Plan.from_json(read_text(Path(where)))
    if store is None:
        raise PlanError(f"no file {where!r}; to name a plan by its hash, say --db as well")
    found = sorted(
        {t.plan_hash for s in store.studies() for t in store.trials(s.study_id) if t.plan_hash.startswith(where)}
    )
    if len(found) != 1:
        what = "no plan" if not found else f"{len(found)} plans"
        raise PlanError(f"{what} in {store.location} with a hash that begins with {where!r}, and no file of that name")
    row = store.plan(found[0])
    if row is None:
        raise PlanError(f"{store.location} names plan {found[0]} but does not hold it; was it cut?")
    try:
        return Plan.from_json(row.content)
    except PlanError as error:
        raise StoreError(f"{store.location}: the row of plan {found[0]} is damaged ({error}); restore a copy") from None


def write_json(path: str | None, text: str) -> None:
    """Writes the result of a command where `--json` asks for it.

    Raises:
        UsageError: the file cannot be written.
    """
    from ..records.display import json_escaped
    from ..records.files import write_text

    if path is None:
        return
    try:
        write_text(Path(path), json_escaped(text) + "\n")
    except OSError as error:
        raise UsageError(f"cannot write {path!r}: {error.strerror}") from error
