from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from langgraph.graph import START, StateGraph
from pydantic import ValidationError
from typing_extensions import TypedDict

from apportion import Graph, Role, Workflow, skippable
from apportion.errors import GraphError, UsageError
from apportion.graphs.code import codes_of
from apportion.nodes.app import App
from apportion.nodes.app_source import Command, is_graph, nodes_of


class State(TypedDict, total=False):
    question: str


def first(state: State) -> Any:
    return {}


@skippable("second")
async def second(state: State) -> Any:
    return {}


def graph() -> StateGraph[State]:
    made = StateGraph(State)
    made.add_node("first", first)
    made.add_node("second", second)
    made.add_edge(START, "first")
    made.add_edge("first", "second")
    return made


def test_what_is_no_app_is_refused() -> None:
    values: list[Any] = [None, 7, "", " ", [], [""], ["ls", 3], object(), {"command": []}, {"command": "ls"}]
    for wrong in values:
        with pytest.raises((GraphError, ValidationError), match="app"):
            App(app=wrong)


def test_the_forms_of_an_app() -> None:
    assert App(app=["echo", "a b"]).app == App(app="echo 'a b'").app == Command(("echo", "a b"))
    named: Any = App(app="json:dumps").app
    assert named.function() is json.dumps
    assert is_graph(graph())
    assert is_graph(graph().compile())
    assert not is_graph(len)
    assert list(nodes_of(graph())) == ["first", "second"]
    assert nodes_of(len) == {}


@pytest.mark.parametrize("form", [["touch", "{}"], "touch {}", {"command": ["touch", "{}"]}])
def test_no_form_of_a_command_in_a_file_is_taken_unless_commands_are_admitted(form: Any, tmp_path: Path) -> None:
    started = tmp_path / "started"
    written = json.loads(json.dumps(form).replace("{}", str(started)))
    content = json.loads(Workflow(["true"], {"worker": Role()}).to_json())
    content["nodes"][-1][1]["app"] = written
    admitted = f"app:touch {started}"
    for allow in ((), ("os",), ("app:",), ("app:touch",), (admitted[len("app:") :],), (f"mcp:touch {started}",)):
        with pytest.raises(UsageError, match="--allow 'app:touch"):
            Graph.from_json(json.dumps(content), allow=allow)
    assert Graph.from_json(json.dumps(content), allow=(admitted,)).blueprint.modules == (admitted,)
    assert not started.exists()


def test_a_name_in_a_file_is_imported_only_where_it_is_admitted() -> None:
    content = json.loads(Workflow("json:dumps", {"worker": Role()}).to_json())
    for app in ({"import": "os:system"}, "os:system"):
        content["nodes"][-1][1]["app"] = app
        with pytest.raises(UsageError, match="--allow os"):
            Graph.from_json(json.dumps(content), allow=("json",))


def test_the_code_of_a_langgraph_app_is_that_of_its_nodes() -> None:
    both = codes_of(Workflow(graph(), {"worker": Role()}), load=True)
    smaller = StateGraph(State)
    smaller.add_node("first", first)
    smaller.add_edge(START, "first")
    one = codes_of(Workflow(smaller, {"worker": Role()}), load=True)
    assert both["app of node 'app'"].count("source") == 2
    assert one["app of node 'app'"].count("source") == 1
