"""Graph files, policy files, dev sets and pool files are data: loading one imports and starts nothing by itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from apportion.errors import UsageError
from apportion.tasks.devset import load_tasks
from apportion.testing.fault_server import FaultServer

SHOP = '''
"""All that a user may have of their own, in one module."""
from pathlib import Path

from apportion import Graph, Search, Solver, choose
from apportion.nodes.base import Kind
from apportion.nodes.solver import KIND as SOLVER
from apportion.optimizers.policies.static import Static

Path(__file__).with_name("imported").touch()

class Echo(Solver):
    kind = "echo"

KIND = Kind(config=Echo, run=SOLVER.run, worst_case=SOLVER.worst_case)

class Last(Static):
    name = "last"
    policy: str = "last"

def find(query, top_k):
    return [query]

def metric(task, answer):
    return 1.0

graph = Graph("shop", kinds=[KIND])
graph.add("look", Search(retriever=find, model="pocket-30k", rounds=1))
graph.add("solve", Echo(model="pocket-30k", max_output_tokens=choose(16, 32)))
graph.connect("look", "solve")
'''
SAVE = """
import sys
import numpy as np
import shop
from apportion import Policy, Pool, Task, load_pocket_models
from apportion.optimizers.tables.arms import arm_of
from apportion.optimizers.tables.table import Lesson, Table, question_of

pool = Pool(load_pocket_models())
space = shop.graph.space(pool)
questions = tuple(question_of(Task(question=f"{i}+{i}=")) for i in range(8))
arms = tuple(arm_of(plan, space) for plan in space)
shape = (len(questions), len(arms), 1)
table = Table(questions, arms, np.full(shape, 0.5), np.full(shape, 40.0))
made = shop.Last.fit(Lesson(table, table, 50.0))
policy = Policy(shop.graph, pool, made, table.batch(), budget=50.0)
policy.save("policy.json")
open("graph.json", "w").write(shop.graph.to_json())
print(policy.modules)
"""


def python(folder: Path, *arguments: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == expect, (done.stdout, done.stderr)
    return done


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the module `shop`, and a graph file and a policy file made with it."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "shop.py").write_text(SHOP)
    (folder / "shopper.py").write_text("from shop import *")
    assert python(folder, "-c", SAVE).stdout == "('shop',)\n"
    return folder


LOAD = """
import json, sys
from apportion import Graph, Policy
from apportion.errors import UsageError

def loaded(**given):
    try:
        policy = Policy.load("policy.json", **given)
    except UsageError as error:
        return str(error)
    return type(policy._policy).__name__, policy.graph.hash

found = {"nobody": loaded(), "neighbour": loaded(allow=("shopp", "shopper"))}
found["before"] = "shop" in sys.modules
found["admitted"] = loaded(allow=("shop",))
import shop
found["given"] = loaded(kinds=[shop.KIND], policies=[shop.Last])
found["both"] = loaded(kinds=[shop.KIND], policies=[shop.Last], allow="shop")
found["hash"] = Graph.from_json(open("graph.json").read(), allow=("shop",)).hash, shop.graph.hash
print(json.dumps(found))
"""


def test_what_a_user_defined_is_found_again_where_it_is_admitted(files: Path) -> None:
    found = json.loads(python(files, "-c", LOAD).stdout)
    assert "node kind 'shop:KIND' is of the module 'shop'" in found["nobody"]
    assert "--allow shop on the command line, or allow=('shop',) in Python" in found["nobody"]
    assert found["neighbour"] == found["nobody"]
    assert not found["before"]
    assert found["given"].startswith("retriever 'shop:find' is of the module 'shop'")
    assert found["admitted"] == found["both"] == ["Last", found["hash"][0]]
    assert len(set(found["hash"])) == 1


def test_the_hash_does_not_say_where_a_kind_comes_from(files: Path) -> None:
    content = json.loads((files / "graph.json").read_text())
    assert content.pop("kinds") == {"echo": "shop:KIND"}
    (files / "bare.json").write_text(json.dumps(content))
    code = "import shop; from apportion import Graph; "
    code += "print(Graph.from_json(open('bare.json').read(), kinds=[shop.KIND], allow='shop').hash == shop.graph.hash)"
    assert python(files, "-c", code).stdout == "True\n"


SERVED = """
import sys
import numpy as np
from apportion import Agent, Graph, McpTools, Policy, Pool, Task
from apportion.optimizers.policies.static import Static
from apportion.optimizers.tables.arms import arm_of
from apportion.optimizers.tables.table import Lesson, Table, question_of

tools = McpTools(command=(sys.executable, sys.argv[1], "honest", "."))
graph = Graph("served").add("act", Agent(tools=(tools,), rounds=2, max_output_tokens=64, result_bytes=512))
pool = Pool.from_toml("pool.toml")
space = graph.space(pool)
questions = tuple(question_of(Task(question=f"{i}+{i}=")) for i in range(8))
arms = tuple(arm_of(plan, space) for plan in space)
shape = (len(questions), len(arms), 1)
table = Table(questions, arms, np.full(shape, 0.5), np.full(shape, 40.0))
policy = Policy(graph, pool, Static.fit(Lesson(table, table, 50.0)), table.batch(), budget=50.0)
policy.save("served.json")
print(*policy.modules)
"""


def test_a_command_in_a_file_is_started_only_where_it_is_admitted(tmp_path: Path) -> None:
    def reply(body: Mapping[str, Any]) -> Any:
        results = [message["content"] for message in body["messages"] if message["role"] == "tool"]
        if results:
            return f"Answer: {results[0].splitlines()[0]}"
        function = {"name": "echo", "arguments": '{"text": "Oslo"}'}
        return {"content": None, "tool_calls": [{"id": "a", "type": "function", "function": function}]}

    server = Path(__file__).with_name("nodes") / "servers" / "plain_server.py"
    with FaultServer(reply=reply) as endpoint:
        pool = f'[models.m]\nbase_url = "{endpoint.base_url}"\noutput_cap = "max_tokens"\ntools = true\n'
        (tmp_path / "pool.toml").write_text(pool)
        name = python(tmp_path, "-c", SERVED, str(server)).stdout.strip()
        assert name == f"mcp:{sys.executable} {server} honest ."
        command = ["-m", "apportion", "run", "--policy", "served.json", "--models", "pool.toml", "--db", "a.db"]
        refused = python(tmp_path, *command, "Where?", expect=2)
        assert f"add --allow '{name}' on the command line" in refused.stderr
        assert refused.stderr.count("\n") == 1
        assert not (tmp_path / "pids").exists()
        done = python(tmp_path, *command, "--allow", name, "Where?")
    assert done.stdout.startswith("echo: Oslo\n")
    assert len((tmp_path / "pids").read_text().split()) == 1


def test_the_command_line_says_which_option_is_missing(files: Path) -> None:
    command = ["-m", "apportion", "run", "--policy", "policy.json", "--db", "shop.db"]
    (files / "imported").unlink(missing_ok=True)
    refused = python(files, *command, "2+3=", expect=2)
    assert refused.stderr.count("\n") == 1
    assert "--allow shop" in refused.stderr
    assert not (files / "imported").exists()
    assert "no module 'shpo'" in python(files, *command, "--allow", "shpo", "2+3=", expect=2).stderr
    done = python(files, *command, "--allow", "shop", "2+3=")
    assert "policy last at 50 tokens" in done.stdout
    assert (files / "imported").exists()


def test_a_policy_of_ones_own_is_learned_and_priced_on_the_command_line(files: Path) -> None:
    rows = [f"q{q},{arm},{(q + len(arm)) % 2},{10 * len(arm)}" for q in range(30) for arm in ("a", "bb")]
    (files / "log.csv").write_text("\n".join(["question,arm,score,cost", *rows]) + "\n")
    fit = ["-m", "apportion", "fit", "--outcomes", "log.csv", "--policy", "shop:Last", "--out", "last.json"]
    learned = python(files, *fit)
    command = learned.stdout.splitlines()[-1].split()[1:]
    assert command[-2:] != ["--allow", "shop"]
    assert "--allow" in command
    assert "policy   last on 30 questions" in python(files, "-m", "apportion", *command).stdout
    refused = python(files, "-m", "apportion", "simulate", "last.json", "--outcomes", "log.csv", expect=2)
    assert "--allow shop" in refused.stderr


@pytest.mark.usefixtures("files")
def test_a_dev_set_names_metrics_that_are_admitted(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(files)
    monkeypatch.delitem(sys.modules, "shop", raising=False)
    row = {"question": "?", "gold": "a", "metadata": {"metric": "shop:metric"}}
    path = files / "dev.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(UsageError, match=r"dev.jsonl:1, field 'metadata': metric 'shop:metric' .*--allow shop"):
        load_tasks(path)
    assert "shop" not in sys.modules
    (task,) = load_tasks(path, allow=("shop",))
    assert task.metadata["metric"] == "shop:metric"
    del sys.modules["shop"]


HOOK = """
import json, os, sys

STARTS = ("subprocess.", "os.system", "os.exec", "os.spawn", "os.posix_spawn", "os.fork", "pty.", "ctypes.", "socket.",
          "pickle.", "marshal.", "exec", "compile", "import", "shutil.", "os.remove", "os.rename", "webbrowser.")
seen = []
armed = False

def hook(event, arguments):
    if armed and event.startswith(STARTS):
        seen.append(f"{event} {arguments[:1]!r}"[:200])
    if armed and event == "open" and str(arguments[1]) != "None" and any(c in str(arguments[1]) for c in "wax+"):
        seen.append(f"open {arguments[:2]!r}")

sys.addaudithook(hook)

from apportion import Graph, Plan, Policy, Pool, load_tasks
from apportion.errors import ApportionError
from apportion.nodes.kinds import KINDS
from apportion.optimizers.policies.registry import POLICIES
from apportion.tasks.metrics import METRICS

def tried(kind, text):
    global armed
    open("hostile.file", "w").write(text)
    path = {"devset": "hostile.jsonl", "pool": "hostile.toml"}.get(kind, "hostile.json")
    os.replace("hostile.file", path)
    load = {
        "graph": lambda: Graph.from_json(text),
        "plan": lambda: Plan.from_json(text),
        "policy": lambda: Policy.load(path),
        "devset": lambda: load_tasks(path),
        "pool": lambda: Pool.from_toml(path),
    }[kind]
    before, armed = set(sys.modules), True
    try:
        load()
        said = ""
    except ApportionError as error:
        said = f"{type(error).__name__}: {error}"
    finally:
        armed = False
    found, seen[:] = list(seen), []
    return said, found, sorted(set(sys.modules) - before)

cases = json.load(open("cases.json"))
for kind, text in cases["benign"]:
    said = tried(kind, text)[0]
    assert not said, said
for table in (KINDS, POLICIES, METRICS):  # a benign file may name any of the package's own
    list(table.values())
print(json.dumps([tried(kind, text) for kind, text in cases["hostile"]]))
"""


def variants(base: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """A graph's JSON with a module in every place where it can be named, and where it cannot."""

    def node(place: int, **fields: Any) -> dict[str, Any]:
        changed: dict[str, Any] = json.loads(json.dumps(base))
        changed["nodes"][place][1] |= fields
        return changed

    def function(named: Any, **fields: Any) -> dict[str, Any]:
        changed: dict[str, Any] = json.loads(json.dumps(base))
        settings = {"timeout_seconds": 1.0, "result_bytes": 64, "pure": True}
        changed["nodes"][1][1] = {"kind": "function", "version": 1, "function": named, **settings, **fields}
        return changed

    return {
        "import": node(0, retriever={"import": "evil:go"}),
        "text": node(0, retriever="evil:go"),
        "started already": node(0, retriever="subprocess:call"),
        "a package": node(0, retriever={"import": "xml.dom.evil:go"}),
        "a script": node(0, retriever={"import": "__main__:go"}),
        "of the package": node(0, retriever={"import": "apportion.imports:imported"}),
        "a tail": node(0, retriever={"import": "evil:go()"}),
        "two": node(0, retriever={"import": "evil:go", "more": 1}),
        "a model": node(1, model="evil:go"),
        "models": node(1, model={"choose": ["evil:go", "os:system"]}),
        "a kind": node(1, kind="evil") | {"kinds": {"evil": "evil:KIND"}},
        "a kind of its own": node(1, kind="evil:KIND"),
        "a kind by package": node(1, kind="evil") | {"kinds": {"evil": "subprocess:Popen"}},
        "a known kind": base | {"kinds": {"solver": "evil:KIND", "search": "evil:KIND"}},
        "no table": node(1, kind="evil") | {"kinds": ["evil:KIND", "evil"]},
        "no reference": node(1, kind="evil") | {"kinds": {"evil": {"import": "evil:KIND"}}},
        "forward": base | {"edges": [["look", "solve", False, "evil:go"]]},
        "a name": base | {"name": "evil:go", "finish": "evil:go"},
        "a function": function({"import": "evil:go"}),
        "a function by text": function("evil:go"),
        "a function that starts programs": function("subprocess:call"),
        "a function of the package": function({"import": "apportion.imports:imported"}),
        "a function without a limit": function({"import": "evil:go"}, result_bytes=10**30),
        "a function of a function": function({"import": "shop:find.__globals__"}),
        "a function as code": function("__import__('os').system('touch pwned')"),
    }


def test_hostile_files_import_and_start_nothing(files: Path) -> None:
    folder = files / "hostile"
    folder.mkdir()
    evil = "import os, pathlib\npathlib.Path('pwned').touch()\nKIND = go = Head = Policy = os.system\n"
    (folder / "evil.py").write_text(evil)
    content = json.loads((files / "policy.json").read_text())
    graph = content["graph"]
    del graph["kinds"]
    graph["nodes"][0][1]["retriever"] = "corpus"
    graph["nodes"][1][1] |= {"kind": "solver"}
    hostile = [("graph", json.dumps(each)) for each in variants(graph).values()]
    own = content["policy"]
    own = {"policy": "static", **{name: value for name, value in own.items() if name not in ("policy", "class")}}
    plans = [json.loads(arm["plan"]) for arm in own["means"]["arms"]]
    text = json.dumps(content | {"graph": graph, "policy": own})
    # The plans belong to the graph that was saved; the benign file has the hash of the one that it holds.
    hashed = json.loads(python(folder, "-c", HASH, json.dumps(graph)).stdout)
    benign_text = text.replace(plans[0]["graph"], hashed)
    benign = json.loads(benign_text)
    hostile += [("policy", json.dumps(benign | {"graph": each})) for each in variants(graph).values()]
    policies = (
        {"policy": "evil:Policy"},
        {"policy": "evil", "class": "evil:Policy"},
        {"policy": "evil", "class": "subprocess:Popen"},
        benign["policy"] | {"class": "evil:Policy"},
        {"policy": "joint", "predictor": {"scores": {"kind": "evil:Head"}}},
        {"policy": "joint", "class": 3},
    )
    hostile += [("policy", json.dumps(benign | {"policy": each})) for each in policies]
    hostile += [
        ("devset", json.dumps({"question": "?", "metadata": {"metric": m}}) + "\n") for m in ("evil:go", "os:system")
    ]
    pool = '[models.m]\nbase_url = "http://127.0.0.1:9/v1"\n'
    fields = ("dialect", "provider", "tokenizer", "transport", "served_as")
    hostile += [("pool", f'{pool}{field} = "evil:go"\n') for field in fields]
    hostile += [("plan", json.dumps({"graph": "0", "values": {"look.retriever": {"import": "evil:go"}}, "edges": []}))]
    cases = {
        "benign": [
            ("graph", json.dumps(graph)),
            ("policy", json.dumps(benign)),
            ("devset", '{"question": "?"}\n'),
            ("pool", pool),
            ("plan", json.dumps({"graph": "0", "values": {}, "edges": []})),
        ],
        "hostile": hostile,
    }
    (folder / "cases.json").write_text(json.dumps(cases))
    outcomes = json.loads(python(folder, "-c", HOOK).stdout)
    assert len(outcomes) == len(hostile) > 40
    for (kind, given), (said, seen, modules) in zip(hostile, outcomes, strict=True):
        assert (seen, modules) == ([], []), (kind, given[:300], said)
    assert not (folder / "pwned").exists()
    said = [message for message, _, _ in outcomes]
    assert sum("--allow evil" in message for message in said) == 16
    assert sum("--allow subprocess" in message for message in said) == 7
    assert sum("--allow os" in message for message in said) == 1


HASH = """
import json, sys
from apportion import Graph
print(json.dumps(Graph.from_json(sys.argv[1]).hash))
"""
