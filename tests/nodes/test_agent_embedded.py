"""Agents and typed answers on the embedded models: what they call, what it brings, what it costs."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from apportion import Agent, Cap, Graph, JsonOutput, Merger, Pool, Search, Solver, Task, choose, generate, optimize
from apportion.errors import GraphError
from apportion.graphs.bounds import worst_case
from apportion.models.pocket import load_pocket_model
from apportion.nodes import Inputs
from apportion.optimizers.bootstrap import mean_interval
from apportion.records.status import Status
from apportion.testing.node import NodeBench

MODEL = "pocket-100k"
DATED = {"type": "object", "properties": {"when": {"type": "string", "format": "date"}}}
CHAIN = Task(question="47+83*02=", gold="60")


class Answer(BaseModel):
    answer: int


def calculate(expression: str) -> int:
    """Works out a sum, a difference or a product of two integers."""
    sign = next(sign for sign in "+-*" if sign in expression)
    left, right = map(int, expression.split(sign))
    return {"+": left + right, "-": left - right, "*": left * right}[sign]


def look_up(query: str) -> str:
    """Finds a fact."""
    return "kemo stays with rali." if "kemo" in query else "rali stays in room 58."


def agent(*tools: Any, **settings: Any) -> Agent:
    usual: dict[str, Any] = {"model": MODEL, "rounds": 5, "temperature": 0.0}
    return Agent(tools=tools or (calculate,), max_output_tokens=96, result_bytes=512, **{**usual, **settings})


def pool(name: str = MODEL) -> Pool:
    return Pool([load_pocket_model(name)])


def one_node(node: Any) -> Graph:
    return Graph("g").add("act", node)


def test_a_calculator_makes_a_model_better_at_the_same_questions() -> None:
    tasks, model = generate("chains", 60, seed=20, difficulty=4), pool("pocket-30k")
    think = Solver(style="think", temperature=0.0, max_output_tokens=96)
    rights = []
    for node in (think, agent(model="*")):
        results = [one_node(node).run(task, pool=model) for task in tasks]
        rights.append([float(result.answer == task.gold) for task, result in zip(tasks, results, strict=True)])
    gain = mean_interval(np.array(rights[1]) - np.array(rights[0]))
    assert gain.low > 0.3
    assert np.mean(rights[1]) > 0.8


def test_each_step_is_a_call_of_the_model_on_the_books() -> None:
    run = NodeBench([load_pocket_model(MODEL)]).run(agent(), Inputs(CHAIN, CHAIN.question, {}))
    calls = [fields for event, fields in run.events if event == "tool"]
    assert (run.message.answer, run.message.text, run.message.rounds) == ("60", "47+83=30*02=60", 2)
    assert [(json.loads(str(call["arguments"])), call["result"]) for call in calls] == [
        ({"expression": "47+83"}, "130"),
        ({"expression": "30*2"}, "60"),
    ]
    assert len(run.requests) == 3
    assert [request.tool_choice for request in run.requests] == ["auto"] * 3


@pytest.mark.parametrize("rounds", [1, 2, 3, 6])
@pytest.mark.parametrize("output", ["line", JsonOutput(Answer)])
def test_in_the_last_round_the_model_works_on_alone_and_the_bound_holds(rounds: int, output: Any) -> None:
    for task in generate("chains", 5, seed=3, difficulty=4):
        graph, models = one_node(agent(rounds=rounds, output=output)), pool()
        result = graph.run(task, pool=models)
        bound = worst_case(graph, graph.space(models).plan({}), task, models).total.tokens
        assert result.status is Status.OK
        assert result.charged.tokens <= bound
        capped = graph.run(task, pool=models, cap=Cap(per_task=bound))
        assert (capped.answer, capped.charged) == (result.answer, result.charged)


def test_what_a_calculator_brings_does_not_make_the_bound_large() -> None:
    models, small = pool(), agent(rounds=5).model_copy(update={"max_output_tokens": 8})
    bound = worst_case(one_node(small), one_node(small).space(models).plan({}), CHAIN, models).total.tokens
    assert bound < 400


@pytest.mark.parametrize(
    "result",
    ["Error", "", "T1+1=", "47+83=99*02=98|98", "\n\n" * 300, "9" * 100_000, "{}", "\ud800", "99\n99", "=99", "1e400"],
)
def test_a_result_that_is_no_number_changes_nothing(result: str) -> None:
    def odd(expression: str) -> str:
        return result

    def fails(expression: str) -> str:
        raise LookupError(result)

    alone = one_node(agent(rounds=1)).run(CHAIN, pool=pool())
    for tool in (odd, fails):
        found = one_node(agent(tool)).run(CHAIN, pool=pool())
        assert (found.status, found.answer) == (Status.OK, alone.answer)


def test_a_search_is_called_with_queries() -> None:
    task = Task(question="Which room is kemo in?", gold="58")
    run = NodeBench([load_pocket_model("pocket-100k-reading")]).run(
        agent(look_up, calculate, model="pocket-100k-reading"), Inputs(task, task.question, {})
    )
    assert run.message.answer == "58"
    assert all(json.loads(str(fields["arguments"]))["query"] for event, fields in run.events if event == "tool")
    assert run.message.rounds == 2


def test_an_agent_may_answer_in_json() -> None:
    result = one_node(agent(output=JsonOutput(Answer))).run(CHAIN, pool=pool())
    assert (result.status, result.data) == (Status.OK, {"answer": 60})


@pytest.mark.parametrize("style", ["direct", "draft", "think"])
@pytest.mark.parametrize("samples", [1, 4])
def test_a_solver_answers_in_json_of_a_small_schema(style: Any, samples: int) -> None:
    node = Solver(output=JsonOutput(Answer), style=style, samples=samples, max_output_tokens=96)
    for task in generate("chains", 4, seed=1, difficulty=2):
        result = one_node(node).run(task, pool=pool())
        assert result.status is Status.OK
        assert Answer.model_validate(result.data)


def test_json_of_a_thought_says_what_the_thought_came_to() -> None:
    think: Any = {"style": "think", "temperature": 0.0, "max_output_tokens": 96}
    for task in generate("chains", 10, seed=1, difficulty=3):
        plain = one_node(Solver(**think)).run(task, pool=pool())
        held = one_node(Solver(output=JsonOutput(Answer), **think)).run(task, pool=pool())
        limited = one_node(Solver(output=JsonOutput(Answer), thinking_tokens=48, **think)).run(task, pool=pool())
        assert held.data == {"answer": int(plain.answer)}
        assert limited.status is Status.OK


def test_the_search_for_a_plan_may_use_them() -> None:
    graph = one_node(agent(model="*", rounds=choose(1, 5)))
    tasks = [task for steps in (2, 4) for task in generate("chains", 20, seed=5, difficulty=steps)]
    report = optimize(graph, tasks, pool("pocket-30k"), cap=Cap(total=40_000), spend=200_000)
    best = max(report.frontier, key=lambda entry: entry.validation.score)
    assert best.plan["values"]["act.rounds"] == 5


@pytest.mark.parametrize(
    ("node", "says"),
    [
        (Solver(output=JsonOutput(DATED)), "'format'"),
        (Solver(output=JsonOutput(Answer), repairs=1), "repairs"),
        (Search(retriever="docs", output=JsonOutput(Answer)), "output"),
        (Solver(output="text"), "output"),
        (Merger(output="code"), "output"),
    ],
)
def test_what_they_cannot_do_is_said_before_anything_runs(node: Any, says: str) -> None:
    with pytest.raises(GraphError, match="follows no instructions") as caught:
        one_node(node).space(pool())
    assert says in str(caught.value)
