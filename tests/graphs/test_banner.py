from __future__ import annotations

import asyncio
from typing import Literal

import pytest

from apportion import Cap, Graph, Pool, Prompt, Solver, Task, Verifier, adaptive, choose
from apportion.budgets.books import MemoryStore
from apportion.errors import GraphError
from apportion.graphs.run import Runner
from apportion.models.card import ModelCard
from apportion.models.request import Reply, Request
from apportion.testing.scripted import ScriptedModel

CARD = ModelCard(name="m", provider="scripted", template_tokens=0, message_tokens=0)
BANNER = Prompt("{question} [{left}|{rounds_left}] {format}", name="banner")


class SlowerAndSlower(ScriptedModel):
    """What is asked side by side ends one after the other."""

    async def complete(self, request: Request) -> Reply:
        await asyncio.sleep(0.002 * len(self.requests))
        return await super().complete(request)


def run(graph: Graph, cap: Cap | None, engine: Literal["langgraph", "direct"]) -> list[str]:
    """What each prompt says is left, in the order of the calls."""
    model = SlowerAndSlower(lambda request: "Answer: 4", name="m", card=CARD)

    async def main() -> None:
        async with Runner(graph, Pool([model]), MemoryStore()) as runner:
            await runner.run(Task(question="2+2?"), graph.space(runner.pool).default(), cap=cap, engine=engine)

    asyncio.run(main())
    return [request.messages[-1].content.split("[")[1].split("]")[0] for request in model.requests]


def fan() -> Graph:
    """Three solvers side by side, one behind the first of them."""
    graph = Graph("fan")
    for name in ("a", "b", "c", "last"):
        graph.add(name, Solver(model="m", max_output_tokens=50, samples=2 if name == "b" else 1, prompt=BANNER))
    graph.add("judge", Verifier())
    return graph.connect("a", "last").connect("b", "judge").connect("c", "judge").connect("last", "judge")


@pytest.mark.parametrize("engine", ["langgraph", "direct"])
def test_what_runs_side_by_side_is_told_the_same(engine: Literal["langgraph", "direct"]) -> None:
    told = run(fan(), Cap(per_task=5000), engine)
    assert len(told) == 5
    assert len(set(told[:4])) == 1
    start, later = (int(text.rstrip("|")) for text in (told[0], told[4]))
    assert 0 < later <= start < 5000
    assert all(str(number)[2:].strip("0") == "" for number in (start, later))


@pytest.mark.parametrize("engine", ["langgraph", "direct"])
def test_without_a_cap_nothing_is_told(engine: Literal["langgraph", "direct"]) -> None:
    assert set(run(fan(), None, engine)) == {"|"}


@pytest.mark.parametrize("engine", ["langgraph", "direct"])
def test_a_later_round_is_told_less_and_how_many_may_follow(engine: Literal["langgraph", "direct"]) -> None:
    graph = Graph("loop").add("solve", Solver(model="m", max_output_tokens=40, prompt=BANNER))
    graph.add("check", Verifier(method="vote", threshold=1.0)).connect("solve", "check")
    graph.loop("check", "solve", rounds=adaptive(3, 3))
    told = run(graph, Cap(per_task=2000), engine)
    left, rounds = zip(*(text.split("|") for text in told), strict=True)
    assert rounds == ("2", "1", "0")
    assert [int(number) for number in left] == sorted((int(number) for number in left), reverse=True)


def test_a_prompt_that_names_a_node_needs_an_edge_from_it() -> None:
    graph = Graph("named").add("draft", Solver(model="m")).add("other", Solver(model="m"))
    graph.add("last", Solver(model="m", prompt=choose(Prompt("{node:draf} {format}", name="n"), Prompt("Think."))))
    graph.connect("draft", "last").connect("other", "last")
    with pytest.raises(GraphError, match=r"'n' of node 'last' reads \{node:draf\}.*'draft'.*connect\('draf', 'last'\)"):
        graph.blueprint  # noqa: B018
