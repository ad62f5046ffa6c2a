"""What is chosen by name: the package's own, what installed packages register, and what a caller gives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from apportion.errors import UnknownName, UsageError
from apportion.nodes.kinds import KINDS
from apportion.optimizers.policies.registry import POLICIES
from apportion.optimizers.search.registry import OPTIMIZERS
from apportion.registry import Registry
from apportion.tasks.metrics import METRICS
from apportion.testing.fault_server import FaultServer

SHOUT = '''
"""A node kind: one file."""
from apportion.nodes.base import Kind
from apportion.nodes.solver import KIND as SOLVER, Solver

class Shout(Solver):
    kind = "shout"

KIND = Kind(config=Shout, run=SOLVER.run, worst_case=SOLVER.worst_case)
'''
LAST = '''
"""A policy: one file."""
from apportion.optimizers.policies.static import Static

class Last(Static):
    name = "last"
    policy: str = "last"
'''
FIRST = '''
"""An optimizer: one file."""
from apportion.optimizers.search.exhaustive import Exhaustive

class First(Exhaustive):
    pass
'''
SHELF = '''
"""A retriever: one file."""
def find(query, top_k):
    return ["a passage"]
'''
LOUD = '''
"""A metric: one file."""
def loud(task, answer):
    return float(answer.upper() == task.gold.upper())
'''
CURT = '''
"""A red flag and a stop rule: one file."""
def curt(sample, number=3):
    return "curt" if len(sample.text) < number else ""

def lone(first, second, number):
    return first >= number and not second
'''
ENTRIES = """
[apportion.kinds]
shout = acme.shout:KIND
[apportion.policies]
last = acme.last:Last
[apportion.optimizers]
first = acme.first:First
[apportion.metrics]
loud = acme.loud:loud
[apportion.retrievers]
shelf = acme.shelf:find
[apportion.red_flags]
curt = acme.curt:curt
[apportion.stop_rules]
lone = acme.curt:lone
"""
APP = """
from acme.shout import Shout
from apportion import Graph, choose

graph = Graph("loud").add("solve", Shout(style="direct", max_output_tokens=choose(20, 40)))
"""


def install(folder: Path, name: str, entries: str, **files: str) -> None:
    """A distribution as an installer leaves it: a package, and a `dist-info` with its entry points."""
    package = folder / name
    package.mkdir(parents=True, exist_ok=True)
    for module, source in {"__init__": "", **files}.items():
        (package / f"{module}.py").write_text(source)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entries)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of installed packages with one that registers a thing of each sort."""
    install(tmp_path / "site", "acme", ENTRIES, shout=SHOUT, last=LAST, first=FIRST, loud=LOUD, shelf=SHELF, curt=CURT)
    return tmp_path / "site"


def python(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=site.parent, env=environment, capture_output=True, text=True, check=False
    )


def said(site: Path, code: str) -> Any:
    done = python(site, "-c", textwrap.dedent(code))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("table", [KINDS, POLICIES, OPTIMIZERS, METRICS], ids=lambda table: table.group)
def test_all_that_the_package_registers_is_there(table: Registry[Any]) -> None:
    assert len(table) == len(list(table)) > 5
    for name in table:
        assert table[name] is table.named(name) is table.resolve(name)


def test_nothing_is_imported_before_it_is_asked_for(site: Path) -> None:
    code = """
        import json, sys
        from apportion.nodes.kinds import KINDS
        before = [name for name in ("apportion.nodes.verifier", "acme") if name in sys.modules]
        own = "verifier" in KINDS
        scanned = "_installed" in vars(KINDS)
        listed = list(KINDS), "acme" in sys.modules
        KINDS["shout"]
        print(json.dumps([before, own, scanned, listed, "acme.shout" in sys.modules, "acme.last" in sys.modules]))
    """
    names = ["agent", "app", "app_step", "decomposer", "function", "merger", "role", "search", "solver"]
    names += ["symbolic_solver", "verifier", "shout"]
    assert said(site, code) == [[], True, False, [names, False], True, False]


def test_installed_things_are_where_the_packages_own_are(site: Path) -> None:
    code = """
        import json
        from acme.shout import KIND, Shout
        from apportion import Graph, Search
        from apportion.errors import UnknownName
        from apportion.optimizers.policies.registry import policy_named
        from apportion.optimizers.search.registry import optimizer_named
        from apportion.tasks.metrics import resolve_metric
        from apportion import Task

        graph = Graph("g").add("a", Shout()).add("b", Search(retriever="acme.shelf:find")).connect("b", "a")
        again = Graph.from_json(graph.to_json())
        placed = "kinds" in json.loads(graph.to_json()) or graph.blueprint.modules
        found = [graph.kinds["shout"] is KIND, again.hash == graph.hash, placed]
        found.append([policy_named("last").__module__, optimizer_named("first").__module__])
        found.append([resolve_metric("loud")(Task(question="?", gold="yes"), answer) for answer in ("YES", "no")])
        found.append(resolve_metric("auto")(Task(question="?", gold="a", metadata={"metric": "loud"}), "A"))
        for call, name in ((policy_named, "zzzz"), (optimizer_named, "zzzz"), (resolve_metric, "zzzz")):
            try:
                call(name)
            except UnknownName as error:
                found.append(str(error))
        print(json.dumps(found))
    """
    own, same, placed, homes, scores, by_task, *messages = said(site, code)
    assert own
    assert same
    assert not placed  # what is installed is found by its name
    assert homes == ["acme.last", "acme.first"]
    assert scores == [1.0, 0.0]
    assert by_task == 1.0
    for name, message in zip(("last", "first", "loud"), messages, strict=True):
        assert f" {name}," in message


def test_installed_red_flags_and_stop_rules_go_by_their_names_and_a_number(site: Path) -> None:
    code = """
        import json
        from apportion import Graph, Pool, Solver, adaptive
        from apportion.errors import UnknownName
        from apportion.testing.scripted import ScriptedModel

        replies = ["4", "42", "42", "5", "42", "42"]
        model = ScriptedModel(lambda request: replies[request.sample], name="m")
        node = Solver(style="direct", samples=adaptive(1, 9), stop="lone_2", red_flags=("curt_2", "acme.curt:curt"))
        graph = Graph("g").add("a", node.model_copy(update={"red_flags": ("curt_2",)}))
        again = Graph.from_json(graph.to_json())
        found = [again.run("?", pool=Pool([model])).answer, len(model.requests), again.hash == graph.hash]
        found.append(Graph("g").add("a", node).blueprint.modules)
        for settings in ({"stop": "alone_2"}, {"red_flags": ("curd",)}):
            try:
                Solver(**settings)
            except UnknownName as error:
                found.append(str(error))
        print(json.dumps(found))
    """
    assert said(site, code) == [
        "42",
        3,
        True,
        [],
        "unknown stop rule 'alone_2'; did you mean 'lone_K'?",
        "unknown red flag 'curd'; did you mean 'curt'?",
    ]


def test_the_command_line_has_them_too(site: Path) -> None:
    folder = site.parent
    (folder / "loud_app.py").write_text(APP)
    lines = [
        json.dumps({"question": f"What is {i}?", "gold": "yes", "metadata": {"metric": "loud"}}) for i in range(60)
    ]
    (folder / "dev.jsonl").write_text("\n".join(lines) + "\n")
    helped = python(site, "-m", "apportion", "optimize", "--help").stdout.split("Names:")[1]
    assert all(name in helped.split() for name in ("loud", "first", "last"))
    with FaultServer(reply=lambda body: "Answer: YES") as server:
        (folder / "pool.toml").write_text(f'[models.local]\nbase_url = "{server.base_url}"\n')
        options = ["--tasks", "dev.jsonl", "--cap", "1e6", "--spend", "1e6", "--models", "pool.toml"]
        names = ["--optimizer", "first", "--policies", "static,last", "--policy-out", "policy.json", "--json", "o.json"]
        done = python(site, "-m", "apportion", "optimize", "loud_app:graph", *options, *names)
        assert done.returncode == 0, done.stderr
        report = json.loads((folder / "o.json").read_text())
        assert [score["policy"] for score in report["policies"]["scores"]] == ["static", "last"]
        assert report["frontier"][0]["test"]["score"] == 1.0
        assert "--allow" not in done.stdout
        saved = python(site, "-m", "apportion", "run", "--policy", "policy.json", "--models", "pool.toml", "What is 7?")
    assert saved.returncode == 0, saved.stderr
    assert saved.stdout.splitlines()[0] == "YES"


BROKEN = {
    "taken": ("[apportion.kinds]\nsolver = other.it:KIND\n", "registers a node kind 'solver'"),
    "twice": ("[apportion.kinds]\nshout = other.it:KIND\n", "installed package 'acme'; rename or uninstall one"),
    "missing": ("[apportion.kinds]\nmurmur = other.nowhere:KIND\n", "there is no module 'other.nowhere'"),
    "fails": ("[apportion.kinds]\nmurmur = other.fails:KIND\n", "fails.py:1: ZeroDivisionError"),
    "typo": ("[apportion.kinds]\nmurmur = other.it:KINF\n", "did you mean 'KIND'"),
    "no_kind": ("[apportion.kinds]\nmurmur = other.it:Murmur\n", "is no node kind"),
    "other_name": ("[apportion.kinds]\nmumble = other.it:KIND\n", "'mumble' calls itself 'murmur'"),
    "module": ("[apportion.kinds]\nmurmur = other.it\n", "must be written module:name"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_an_installed_package_gets_wrong_is_said(case: str, site: Path) -> None:
    entries, words = BROKEN[case]
    install(site, "other", entries, it=SHOUT.replace("Shout", "Murmur").replace("shout", "murmur"), fails="1 / 0")
    code = """
        import json
        from apportion.errors import UsageError
        from apportion.nodes.kinds import KINDS
        try:
            print(json.dumps([str(KINDS[name]) for name in ("murmur", "mumble")]))
        except UsageError as error:
            print(json.dumps(str(error)))
    """
    if case == "other_name":
        code = code.replace('("murmur", "mumble")', '("mumble",)')
    message = said(site, code)
    assert words in message
    assert "installed package 'other'" in message or case in ("no_kind", "other_name")


def _is_text(name: str, thing: object) -> str:
    if not isinstance(thing, str):
        raise UsageError(f"{name} is no text")
    return thing


TABLE = Registry("letter", "apportion.no_such_group", _is_text, {"a": "registry:__name__", "n": "registry:Registry"})


def test_a_caller_adds_to_a_new_table() -> None:
    more = TABLE.adding([("b", "bee")])
    assert list(more) == ["a", "n", "b"]
    assert more["b"] == "bee"
    assert "b" not in TABLE
    assert more.adding([("b", more["b"])])["b"] == "bee"
    for taken in ([("a", "other")], [("c", "one"), ("c", "two")]):
        with pytest.raises(UsageError, match=r"another letter named '[ac]'; give yours a name of its own"):
            TABLE.adding(taken)


def test_names_and_references() -> None:
    assert TABLE["a"] == "apportion.registry"
    with pytest.raises(KeyError):
        TABLE["b"]
    with pytest.raises(UnknownName, match="unknown letter 'b'; known: a, n"):
        TABLE.named("b")
    with pytest.raises(UsageError, match="n is no text"):
        TABLE["n"]
    assert TABLE.resolve("json:__name__") == "json"
    with pytest.raises(UsageError, match="is of the module 'json'"):
        TABLE.load("json:decoder", allow=())


def test_policies_of_ones_own_are_told_by_class_or_place(site: Path) -> None:
    code = """
        import json
        from apportion.errors import UsageError
        from apportion.optimizers.policies.registry import policies_named
        from acme.last import Last

        class Static(Last):
            name = "static"

        found = [list(policies_named(["joint", "acme.last:Last"])), list(policies_named([Last, "static"]))]
        for wrong in ([Static], [Last, type("Other", (Last,), {})], [3]):
            try:
                policies_named(wrong)
            except UsageError as error:
                found.append(str(error))
        print(json.dumps(found))
    """
    placed, by_class, *messages = said(site, code)
    assert placed == ["joint", "last"]
    assert by_class == ["last", "static"]
    assert [words in message for words, message in zip(("'static'", "'last'", "is no policy"), messages, strict=True)]
