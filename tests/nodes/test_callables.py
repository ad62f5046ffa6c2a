"""Functions as nodes are given them; what retrievers make of it is tested with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest.mock import Mock

import pytest

from apportion import Pool, load_pocket_models, priced
from apportion.errors import GraphError, UsageError
from apportion.graphs.code import codes_of
from apportion.graphs.graph import Graph
from apportion.nodes.callables import FUNCTION, CallableSort, Given, Imported, callables_of, is_async
from apportion.nodes.function import Function
from apportion.nodes.kinds import node_from_json
from apportion.nodes.red_flags import RED_FLAG
from apportion.nodes.retrieval import RETRIEVER
from apportion.nodes.search import Search
from apportion.nodes.tools import TOOL


def shout(question: str, inputs: Any, task: Any) -> str:
    return question.upper()


def made(suffix: str) -> Callable[..., str]:
    def inner(question: str, inputs: Any, task: Any) -> str:
        return question + suffix

    return inner


class Echo:
    def say(self, question: str, inputs: Any, task: Any) -> str:
        return question

    def __call__(self, question: str, inputs: Any, task: Any) -> str:
        return question

    async def wait(self, question: str, inputs: Any, task: Any) -> str:
        return question


ECHO = Echo()
LAMBDA = lambda question, inputs, task: question  # noqa: E731 - a name at the top, of another than its own


@pytest.mark.parametrize(
    ("source", "name"),
    [(shout, "shout"), (ECHO, "ECHO"), (Echo, "Echo"), (json.dumps, "json:dumps"), (len, "builtins:len")],
)
def test_what_a_module_holds_goes_by_its_name(source: object, name: str) -> None:
    name = name if ":" in name else f"{__name__}:{name}"
    found = FUNCTION.given(source)
    assert found == Imported(name)
    assert isinstance(found, Imported)
    assert found.function() is source


@pytest.mark.parametrize(
    "source",
    [LAMBDA, made("!"), ECHO.say, Echo(), partial(shout, task=None), "abc".upper],
    ids=["lambda", "closure", "method", "object", "partial", "built-in method"],
)
def test_what_has_no_name_is_taken_as_it_is(source: Any) -> None:
    found = FUNCTION.given(source)
    assert isinstance(found, Given)
    assert found.function() is source
    assert found == FUNCTION.given(source)
    assert hash(found) == hash(FUNCTION.given(source))


def test_methods_of_one_object_are_equal_and_of_two_are_not() -> None:
    assert Function(ECHO.say) == Function(ECHO.say)
    assert Function(ECHO.say) != Function(Echo().say)
    assert Function(made("!")) != Function(made("!"))


@pytest.mark.parametrize("value", [7, None, "no reference", {"import": 3}, {"import": "a:b", "more": 1}, ["a:b"]])
def test_what_is_no_function_is_refused(value: Any) -> None:
    with pytest.raises(GraphError, match="give a function"):
        Function(value)


def test_a_graph_with_what_has_no_name_runs_has_a_hash_and_cannot_be_written() -> None:
    for node, setting in ((Function(made("!")), "function"), (Search(retriever=lambda q, k: [q]), "retriever")):
        graph = Graph("g").add("own", node)
        assert len(graph.hash) == 16
        assert graph.blueprint.modules == ()
        with pytest.raises(GraphError, match=rf"node 'own': its {setting} '.*' cannot be found again by a name.*`def`"):
            graph.to_json()


def test_a_file_names_what_is_admitted() -> None:
    data = Function(shout).canonical()
    assert data["function"] == {"import": f"{__name__}:shout"}
    assert node_from_json(data, allow=(__name__,)) == Function(shout)
    with pytest.raises(UsageError, match=f"--allow {__name__}"):
        node_from_json(data)
    for name in ("subprocess:call", f"{__name__}:json.dumps", f"{__name__}:shout.__globals__"):
        with pytest.raises(UsageError):
            node_from_json(data | {"function": {"import": name}}, allow=(__name__,))


def test_code_counts_by_source_and_by_what_a_closure_holds() -> None:
    def code(function: Any) -> Any:
        return codes_of(Graph("g").add("own", Function(function)))

    assert list(code(shout)) == [f"function '{__name__}:shout'"]
    assert list(code(made("!"))) == ["function of node 'own'"]
    assert code(made("!")) == code(made("!"))
    assert code(made("!")) != code(made("?"))
    assert code(ECHO.say)["function of node 'own'"].startswith("source ")


def test_a_module_that_is_named_is_imported_for_its_code_only_where_that_is_asked_for(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "named_later.py").write_text("def go(question, inputs, task):\n    return question\n")
    monkeypatch.syspath_prepend(tmp_path)
    graph = Graph("g").add("own", Function("named_later:go"))
    assert codes_of(graph) == {}
    assert list(codes_of(graph, load=True)) == ["function 'named_later:go'"]


def test_settings_that_hold_one_are_found() -> None:
    assert [(name, each.name) for name, each in callables_of(Function("a1:b"))] == [("function", "a1:b")]
    assert list(callables_of(Search(retriever="folder"))) == []


def test_what_is_async_can_be_seen() -> None:
    class Later:
        async def __call__(self) -> None:
            pass

    assert is_async(ECHO.wait)
    assert is_async(partial(ECHO.wait))
    assert is_async(Later())
    assert not is_async(ECHO)
    assert not is_async(shout)


@pytest.mark.parametrize("sort", [FUNCTION, RETRIEVER, RED_FLAG])
def test_what_has_a_price_is_taken_only_where_somebody_pays_it(sort: CallableSort) -> None:
    def dear(*arguments: Any) -> str:
        return ""

    priced(usd=0)(dear)
    assert sort.function("a:dear", dear) is dear
    priced(usd=0.5)(dear)
    with pytest.raises(UsageError, match="'a:dear' has a price, and only tools of an Agent are paid for"):
        sort.function("a:dear", dear)
    assert TOOL.function("a:dear", dear) is dear
    anything = Mock()  # it has an attribute of every name
    assert sort.function("a:anything", anything) is not None


def test_a_graph_with_a_priced_function_does_not_run_for_nothing() -> None:
    dear = priced(usd=0.5)(lambda question, inputs, task: "")
    with pytest.raises(UsageError, match="has a price"):
        Graph("g").add("f", Function(dear)).run("q", pool=Pool(load_pocket_models()))
