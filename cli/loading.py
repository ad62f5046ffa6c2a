"""What the commands read: graphs by MODULE:NAME, pools, plans, dev sets."""

from __future__ import annotations

import importlib
import math
import shutil
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ApportionError, PlanError, StoreError, UnknownName, UsageError
from ..records.display import json_escaped
from ..records.files import read_text

if TYPE_CHECKING:
    from ..graphs.graph import Graph
    from ..graphs.plan import Plan
    from ..models.pool import Pool
    from ..records.protocols import StudyStore
    from ..records.rows import RunRow

__all__ = ["find_plan", "find_run", "load_graph", "load_pool", "positive", "program", "write_json"]


def load_graph(where: str) -> Graph:
    """The graph that a module holds under a name; MODULE may be a dotted name or a path to a file.

    Raises:
        UsageError: the module or the name does not exist, or it is no graph.
    """
    from ..graphs.graph import Graph

    module_name, _, name = where.partition(":")
    if not module_name or not name:
        raise UsageError(f"{where!r} does not name a graph; write MODULE:NAME, for example my_app:graph")
    module = _module(module_name)
    if not hasattr(module, name):
        graphs = [key for key, value in vars(module).items() if isinstance(value, Graph)]
        raise UnknownName(f"graph in {module_name}", name, graphs)
    graph = getattr(module, name)
    if not isinstance(graph, Graph):
        raise UsageError(f"{where!r} is a {type(graph).__name__}, not a Graph")
    return graph


def _module(name: str) -> object:
    path = Path(name)
    if path.suffix == ".py":
        if not path.is_file():
            raise UsageError(f"no file {name!r}")
        sys.path.insert(0, str(path.resolve().parent))
        name = path.stem
    else:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(error.name + ".")):
            raise _broken(name, error) from error
        raise UsageError(f"no module {name!r}; run the command from the folder that holds it, or give a path") from None
    except ApportionError:
        raise
    except Exception as error:
        raise _broken(name, error) from error
    finally:
        del sys.path[0]


def _broken(name: str, error: Exception) -> UsageError:
    """Says where in the user's module an import failed, and with what."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).stem == name.rpartition(".")[2]
    ]
    if isinstance(error, SyntaxError):
        place = f"{error.filename}:{error.lineno}"
    elif frames:
        place = f"{frames[-1].filename}:{frames[-1].lineno}"
    else:
        place = f"module {name!r}"
    return UsageError(f"{place}: {_said(error)}")


def _said(error: Exception) -> str:
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return f"{type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error}"
    wrong = [f"field {'.'.join(map(str, e['loc']))!r}: {e['msg']}; it is {e['input']!r}" for e in error.errors()]
    return f"{error.title}: {'; '.join(wrong)}"


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
    return str(called)


def load_pool(path: str | None) -> Pool:
    """The pool of a TOML file, or the embedded models where no file is named."""
    from ..models.pocket import load_pocket_models
    from ..models.pool import Pool

    return Pool.from_toml(path) if path is not None else Pool(load_pocket_models())


def find_plan(where: str, store: StudyStore | None) -> Plan:
    """The plan of a JSON file, or the one in the store whose hash begins so.

    Raises:
        PlanError: there is none, or more than one.
    """
    from ..graphs.plan import Plan

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


def find_run(where: str, store: StudyStore) -> RunRow:
    """The run whose id begins so.

    Raises:
        UsageError: there is none, or more than one.
    """
    exact = store.run(where)
    if exact is not None:
        return exact
    found = [row for row in store.runs() if row.run_id.startswith(where)]
    if len(found) == 1:
        return found[0]
    what = "no run" if not found else f"{len(found)} runs"
    raise UsageError(f"{what} in {store.location} with an id that begins with {where!r}; `apportion runs` lists them")


def write_json(path: str | None, text: str) -> None:
    """Writes the result of a command where `--json` asks for it.

    Raises:
        UsageError: the file cannot be written.
    """
    if path is None:
        return
    try:
        Path(path).write_text(json_escaped(text) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path!r}: {error.strerror}") from error
