from __future__ import annotations

import json
from pathlib import Path

import pytest

from apportion.cli import demo_graph
from apportion.cli.app import run


def test_the_demo_searches_its_graph_and_says_what_to_do_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On an eighth of its questions, for a fraction of its spend."""
    few = demo_graph.dev_set(1)
    monkeypatch.setattr(demo_graph, "dev_set", lambda: few)
    monkeypatch.chdir(tmp_path)
    assert run(["demo", "--spend", "16000", "--json", "report.json"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("graph    demo: solve, split, part, merge, search, constraints, judge\n")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["graph_hash"] == demo_graph.graph.hash
    assert sum(report["tasks"].values()) == len(few) == 44
    assert 0 < report["paid"] <= 16000
    assert (tmp_path / "apportion-demo.db").exists()
    assert f"run apportion.cli.demo_graph:graph --plan {report['chosen'][:8]} --db apportion-demo.db" in printed
