from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from apportion import Gate, Graph, Pool, Solver, Task, choose
from apportion.budgets.books import MemoryStore
from apportion.errors import GraphError
from apportion.graphs.result import Result
from apportion.graphs.run import Runner
from apportion.models.card import ModelCard
from apportion.models.request import Request
from apportion.motifs import early_exit, ladder, search_if_unsure, self_verified
from apportion.testing.scripted import ScriptedModel


def model(name: str, *answers: str, judged: str = "", logprob: float | None = None) -> ScriptedModel:
    """Says the answers in turn of its samples, and how right an answer is where it is asked to judge."""

    def script(request: Request) -> str:
        asked = request.messages[0].content
        if asked.startswith("Judge"):
            return f"Probability: {judged}"
        if asked.startswith("You answer the question from passages"):
            found = "is 9" in request.messages[-1].content
            return "Answer: 9" if found else "Query: capital"
        return f"Answer: {answers[request.sample % len(answers)]}"

    card = ModelCard(name=name, provider="scripted", logprobs=logprob is not None)
    return ScriptedModel(script, name=name, card=card, mean_logprob=logprob)


def run(graph: Graph, *models: ScriptedModel, **values: object) -> Result:
    async def main() -> Result:
        async with Runner(graph, Pool(models), MemoryStore()) as runner:
            return await runner.run(Task(question="4?"), runner.space.plan(values))

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("votes", "expected", "calls"), [("444", "4", (3, 0, 0)), ("445", "7", (3, 3, 0)), ("456", "7", (3, 3, 0))]
)
def test_a_ladder_goes_up_where_a_rung_is_unsure(votes: str, expected: str, calls: tuple[int, ...]) -> None:
    models = model("a", *votes), model("b", "7"), model("c", "8")
    result = run(ladder("a", "b", "c", samples=3), *models)
    assert result.answer == expected
    assert tuple(len(each.requests) for each in models) == calls


def test_the_last_rung_decides_where_all_are_unsure() -> None:
    models = model("a", "1", "2", "3"), model("b", "4", "5", "6"), model("c", "8")
    assert run(ladder("a", "b", "c", samples=3), *models).answer == "8"


def test_each_step_of_a_ladder_has_a_threshold_of_its_own() -> None:
    space = ladder("a", "b", "c", samples=3).space(Pool([model("a", "1"), model("b", "1"), model("c", "1")]))
    assert dict(space.knobs) == {
        "rung1->rung2.when": (0.8, 0.5, 0.95, None),
        "rung2->rung3.when": (0.8, 0.5, 0.95, None),
    }


@pytest.mark.parametrize("models", [(), ("a",), ("a", "a")])
def test_a_ladder_needs_two_models(models: tuple[str, ...]) -> None:
    with pytest.raises(GraphError, match="two models at least"):
        ladder(*models)


@pytest.mark.parametrize(("judged", "expected", "calls"), [("90", "4", 0), ("10", "9", 1)])
def test_a_second_model_answers_where_the_first_rejects_itself(judged: str, expected: str, calls: int) -> None:
    small, large = model("small", "4", judged=judged), model("large", "9")
    assert run(self_verified("small", "large"), small, large).answer == expected
    assert len(large.requests) == calls


@pytest.mark.parametrize(("logprob", "expected", "queries"), [(-0.001, "4", 0), (-1.0, "9", 2)])
def test_what_is_not_sure_is_looked_up(tmp_path: Path, logprob: float, expected: str, queries: int) -> None:
    (tmp_path / "facts.txt").write_text("The capital is 9.")
    one = model("one", "4", logprob=logprob)
    graph = search_if_unsure(str(tmp_path), "one", searcher="one", rounds=2)
    assert run(graph, one).answer == expected
    assert len(one.requests) == 1 + queries


def test_stages_see_one_another_where_they_are_let() -> None:
    one, other = model("one", "4"), model("other", "9")
    stages = {"first": Solver(model="one"), "second": Solver(model="other")}
    run(early_exit(stages, when=Gate("confidence", above=choose(None, 0.5))), one, other)
    assert not other.requests
    run(early_exit(stages, when=Gate("confidence", below=0.5), forward="answer"), one, other)
    assert "- 4" in other.requests[-1].messages[-1].content
    run(early_exit(stages, when=Gate("confidence", below=0.5)), one, other)
    assert "- 4" not in other.requests[-1].messages[-1].content


@pytest.mark.parametrize("stages", [{}, {"one": Solver()}, {"one": Solver(), "pick": Solver()}])
def test_an_early_exit_needs_two_stages(stages: dict[str, Solver]) -> None:
    with pytest.raises(GraphError, match="two stages at least"):
        early_exit(stages, when=Gate("failed"))
