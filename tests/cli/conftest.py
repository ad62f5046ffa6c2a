from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from apportion.testing.fault_server import FaultServer


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user's folder: a graph, a dev set, and a pool whose endpoint answers on loopback."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sums_app.py").write_text(
        textwrap.dedent(
            """
            from apportion import Graph, Solver, choose

            graph = Graph("sums")
            graph.add("solve", Solver(style=choose("direct", "think"), max_output_tokens=choose(20, 40)))
            not_a_graph = 3
            """
        )
    )
    lines = [json.dumps({"question": f"What is {i} + {i}?", "gold": "42"}) for i in range(40)]
    (tmp_path / "dev.jsonl").write_text("\n".join(lines) + "\n")
    with FaultServer(reply=lambda body: "Answer: 42") as server:
        (tmp_path / "pool.toml").write_text(f'[models.local]\nbase_url = "{server.base_url}"\n')
        yield tmp_path
