from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from apportion.cli.app import run

APP = """
from apportion import Graph, Solver, Verifier, choose

graph = Graph("drawn")
graph.add("solve", Solver(samples=choose(1, 3)))
graph.add("other", Solver())
graph.add("judge", Verifier(method="vote"))
graph.connect("solve", "judge", optional=True).connect("other", "judge", optional=True)
another = Graph("another").add("solve", Solver())
"""
DRAW = ["draw", "drawn_app.py:graph"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "drawn_app.py").write_text(APP)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_a_graph_is_printed_as_mermaid(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(DRAW) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("flowchart LR\n")
    assert "samples: 1 | 3" in printed
    assert printed.count("-.->") == 2


def test_a_file_gets_the_format_of_its_name(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("g.svg", "g.mmd", "g.md"):
        assert run([*DRAW, "--out", name]) == 0
        assert capsys.readouterr().out == f"written   {name}\n"
    assert ElementTree.parse(folder / "g.svg").getroot().tag.endswith("svg")
    assert (folder / "g.md").read_text() == f"```mermaid\n{(folder / 'g.mmd').read_text()}```\n"


def plan_file(folder: Path, graph: str) -> str:
    from apportion.cli.loading import load_graph, load_pool

    space = load_graph(f"drawn_app.py:{graph}").space(load_pool(None))
    plan = space.plan({"solve.samples": 3}, ("solve->judge",)) if graph == "graph" else space.default()
    path = folder / f"{graph}.json"
    path.write_text(plan.to_json())
    return str(path)


def test_what_does_not_run_under_a_plan_is_grey(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*DRAW, "--plan", plan_file(folder, "graph")]) == 0
    printed = capsys.readouterr().out
    assert "samples = 3" in printed
    assert printed.count(":::off") == 1
    assert not list(folder.glob("*.db*"))


def test_a_plan_is_found_in_a_database_by_its_hash(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tasks = [json.dumps({"question": f"{number}+1=", "gold": str(number + 1)}) for number in range(30)]
    (folder / "dev.jsonl").write_text("\n".join(tasks))
    command = ["optimize", "drawn_app.py:another", "--tasks", "dev.jsonl", "--cap", "1e7", "--spend", "2e5"]
    assert run([*command, "--policies", "none", "--json", "report.json"]) == 0
    chosen = json.loads((folder / "report.json").read_text())["frontier"][0]
    capsys.readouterr()
    assert run(["draw", "drawn_app.py:another", "--plan", chosen["plan_hash"][:8]]) == 0
    assert f"model = {chosen['plan']['values']['solve.model']}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["draw", "drawn_app.py:grph"], "did you mean 'graph'"),
        ([*DRAW, "--out", "g.png"], "--out g.png: the name of a drawing must end in .svg, or in .mmd or .md"),
        ([*DRAW, "--out", "nowhere/g.svg"], "cannot write 'nowhere/g.svg': No such file"),
        ([*DRAW, "--plan", "1f2e3d4c"], "there is no database 'apportion.db'"),
        ([*DRAW, "--plan", "another.json"], "draw the graph that the plan was made for"),
    ],
)
def test_bad_input_says_what_to_do(
    folder: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plan_file(folder, "another")
    assert run(arguments) == 2
    assert words in capsys.readouterr().err
