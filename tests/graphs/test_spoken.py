from __future__ import annotations

from typing import Any

import pytest

from apportion import Graph, JsonOutput, OneOf, Pool, Solver, choose
from apportion.errors import GraphError
from apportion.graphs.space import Space
from apportion.models.card import ModelCard
from apportion.testing.scripted import ScriptedModel

POCKET = ScriptedModel(lambda request: "05", name="pocket", card=ModelCard(name="pocket", dialect="pocket"))
CHAT = ScriptedModel(lambda request: "5", name="chat", card=ModelCard(name="chat"))
POOL = Pool([POCKET, CHAT])
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def space(**settings: Any) -> Space:
    return Space(Graph("spoken").add("solve", Solver(**settings)), POOL)


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("text", "output='text'"),
        ("code", "output='code'"),
        (OneOf("A", "B"), r"output=OneOf\(...\)"),
        (JsonOutput(SCHEMA), r"output=JsonOutput\(...\)"),
    ],
)
@pytest.mark.parametrize("model", ["*", "pocket", choose("chat", "pocket")])
def test_an_output_that_a_model_cannot_be_asked_for_is_refused(output: Any, told: str, model: Any) -> None:
    with pytest.raises(GraphError, match=rf"node 'solve': 'pocket' cannot be asked for {told}.*choose among models"):
        space(output=output, model=model)


@pytest.mark.parametrize("output", ["line", "number"])
def test_lines_and_numbers_can_be_asked_for_of_all(output: Any) -> None:
    assert space(output=output).size == 2


def test_models_that_the_node_does_not_call_do_not_matter() -> None:
    assert space(output="code", model="chat").size == 1


def test_repairs_need_words() -> None:
    with pytest.raises(GraphError, match="'pocket' cannot be asked for repairs"):
        space(output="number", repairs=choose(0, 1))
    assert space(output="number", repairs=choose(0, 1), model="chat").size == 2


def test_figures_of_the_embedded_models_stay_as_they_were_written() -> None:
    graph = Graph("spoken").add("solve", Solver(model="pocket", style="direct", output="number"))
    assert graph.run("47+58=", pool=Pool([POCKET])).answer == "05"
