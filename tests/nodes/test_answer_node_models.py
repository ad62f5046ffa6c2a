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


FORMS = ["text", "code", OneOf("A", "B"), JsonOutput(SCHEMA)]


@pytest.mark.parametrize("output", FORMS)
@pytest.mark.parametrize("model", ["*", choose("pocket", "chat")])
def test_a_model_that_cannot_be_asked_for_an_output_is_left_out(output: Any, model: Any) -> None:
    found = space(output=output, model=model)
    assert [dict(plan.values) for plan in found] == [{"solve.model": "chat"}]
    assert found.default().values == {"solve.model": "chat"}


@pytest.mark.parametrize("output", FORMS)
def test_an_output_that_no_model_can_be_asked_for_is_refused(output: Any) -> None:
    told = r"node 'solve': no model that it may call can take output .*'pocket' follows no instructions.*'chat'"
    with pytest.raises(GraphError, match=told):
        space(output=output, model="pocket")


@pytest.mark.parametrize("output", ["line", "number"])
def test_lines_and_numbers_can_be_asked_for_of_all(output: Any) -> None:
    assert space(output=output).size == 2


def test_models_that_the_node_does_not_call_do_not_matter() -> None:
    assert space(output="code", model="chat").size == 1


def test_repairs_need_words() -> None:
    assert space(output="number", repairs=choose(0, 1)).size == 3
    assert space(output="number", repairs=choose(0, 1), model="chat").size == 2
    with pytest.raises(GraphError, match="can take repairs 1: model 'pocket' follows no instructions"):
        space(output="number", repairs=choose(0, 1), model="pocket")


def test_figures_of_the_embedded_models_stay_as_they_were_written() -> None:
    graph = Graph("spoken").add("solve", Solver(model="pocket", style="direct", output="number"))
    assert graph.run("47+58=", pool=Pool([POCKET])).answer == "05"
