"""apportion's own client on the server: the embedded models and the served ones are one and the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from apportion.models.pocket import load_pocket_model
from apportion.models.pocket.serving import PocketServer
from apportion.models.pool import Pool
from apportion.nodes import Agent, Inputs, Solver, Verifier
from apportion.nodes.base import Node
from apportion.records.message import Candidate, Message
from apportion.records.output import JsonOutput
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


def calculate(expression: str) -> int:
    """Works out a sum, a difference or a product."""
    sign = next(sign for sign in "+-*" if sign in expression)
    left, right = map(int, expression.split(sign))
    return {"+": left + right, "-": left - right, "*": left * right}[sign]


def look_up(query: str) -> str:
    """Finds a fact."""
    return f"{query.split()[0]} stays in room 58."


@pytest.mark.parametrize("tools", [(calculate,), (look_up,), (calculate, look_up)])
@pytest.mark.parametrize(
    "output", ["line", JsonOutput({"type": "object", "properties": {"answer": {"type": "integer"}}})]
)
@pytest.mark.parametrize("rounds", [2, 5])
def test_agents_and_typed_answers_are_alike(pool: Pool, tools: Any, output: Any, rounds: int) -> None:
    nodes: list[Node] = [
        Agent(model=NAME, tools=tools, rounds=rounds, output=output, max_output_tokens=64, result_bytes=512),
        Solver(model=NAME, style="think", output=output, temperature=0.7, max_output_tokens=64),
    ]
    for node in nodes:
        for task in (*generate("chains", 2, 5, 3), Task(question="Which room is kemo in?")):
            there, here = run(NodeBench(pool), node, task), run(NodeBench([load_pocket_model(NAME)]), node, task)
            assert there.message.text == here.message.text
            assert (there.message.answer, there.message.data) == (here.message.answer, here.message.data)
            assert there.message.status is here.message.status is not Status.PROVIDER_ERROR
            assert there.charged.tokens == here.charged.tokens > 0
            assert [one for one, _ in there.events] == [one for one, _ in here.events]
