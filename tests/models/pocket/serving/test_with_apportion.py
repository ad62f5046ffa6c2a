"""apportion's own client on the server: the embedded models and the served ones are one and the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from apportion.models.pocket import load_pocket_model
from apportion.models.pocket.serving import PocketServer
from apportion.models.pool import Pool
from apportion.nodes import Inputs, Solver, Verifier
from apportion.nodes.base import Node
from apportion.records.message import Candidate, Message
from apportion.records.status import Status
from apportion.records.task import Task
from apportion.tasks.families import generate
from apportion.testing.node import NodeBench, NodeRun

NAME = "pocket-100k"


@pytest.fixture
def pool(server: PocketServer, tmp_path: Path) -> Pool:
    """The table that docs/pocket-server.md shows."""
    document = Path(__file__).parents[4] / "docs" / "pocket-server.md"
    table = document.read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0]
    table = table.replace("[models.small]", f"[models.{NAME}]").replace("http://127.0.0.1:8000/v1", server.base_url)
    (tmp_path / "pool.toml").write_text(table)
    return Pool.from_toml(tmp_path / "pool.toml")


def run(bench: NodeBench, node: Node, task: Task) -> NodeRun:
    wrong = Candidate("30", text="47+83=30", source="before")
    before = Message(answer="30", text="47+83=30", candidates=(wrong,))
    return bench.run(node, Inputs(task, task.question, {"before": before}))


@pytest.mark.parametrize(
    "node",
    [
        Solver(model=NAME, style="direct", max_output_tokens=8),
        Solver(model=NAME, style="think", samples=4, vote="confidence", temperature=1.2, max_output_tokens=64),
        Solver(model=NAME, style="think", temperature=0.0, max_output_tokens=6),
        Verifier(model=NAME, method="score", max_output_tokens=16),
        Verifier(model=NAME, method="steps", max_output_tokens=8),
    ],
)
def test_a_question_is_solved_alike(pool: Pool, node: Node) -> None:
    for task in generate("chains", 3, 5, 3):
        there, here = run(NodeBench(pool), node, task), run(NodeBench([load_pocket_model(NAME)]), node, task)

        assert there.message.text == here.message.text
        assert there.message.answer == here.message.answer
        assert there.message.status is here.message.status is not Status.PROVIDER_ERROR
        assert there.charged.tokens == here.charged.tokens > 0
        for one, other in zip(there.message.candidates, here.message.candidates, strict=True):
            assert one.confidence == pytest.approx(other.confidence)
