from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from apportion import Agent
from apportion.errors import GraphError
from apportion.nodes.callables import Given
from apportion.nodes.tools import TOOL, Tool, tool_of, tools_json


class Town(BaseModel):
    name: str
    since: date | None = None


def visit(
    town: Town,
    mode: Literal["train", "bus"] = "train",
    *,
    days: Annotated[int, Field(ge=1, description="How long.")] = 2,
    json: str = "",
    _hidden: bool = False,
) -> str:
    """Goes there.

    And back.
    """
    return f"{town.name} {mode} {days}"


@dataclass
class Counter:
    """Counts."""

    step: int = 1

    def __call__(self, number: int) -> int:
        return number + self.step

    def method(self, number: int) -> int:
        """Counts too."""
        return number


def made(function: Callable[..., Any]) -> Tool:
    return tool_of(Given(function, "here"))


def test_a_tool_is_described_by_its_hints_and_its_docstring() -> None:
    tool = made(visit)
    assert (tool.name, tool.description) == ("visit", "Goes there.\n\nAnd back.")
    properties = tool.parameters["properties"]
    assert set(properties) == {"town", "mode", "days", "json", "_hidden"}
    assert tool.parameters["required"] == ["town"]
    assert properties["mode"]["enum"] == ["train", "bus"]
    assert (properties["days"]["description"], properties["days"]["minimum"]) == ("How long.", 1)
    assert tool.parameters["additionalProperties"] is False
    assert [properties[name].get("default") for name in properties] == [None, "train", 2, "", False]
    assert "title" not in json.dumps(tool.parameters)
    (told,) = json.loads(tools_json([tool]))
    assert told == {"type": "function", "function": tool.to_json()}


def test_a_default_that_json_has_not_is_not_told() -> None:
    def wait(seconds: float = float("inf"), town: Town = Town(name="Rome")) -> str:  # noqa: B008
        return ""

    assert all("default" not in told for told in made(wait).parameters["properties"].values())


def test_an_argument_may_be_called_title() -> None:
    def write(title: str, body: Literal["title", "text"] = "text") -> str:
        return title

    assert set(made(write).parameters["properties"]) == {"title", "body"}


def test_arguments_come_as_the_hints_say() -> None:
    given = made(visit).arguments({"town": {"name": "Rome", "since": "2001-01-01"}, "days": "3"})
    assert given == {"town": Town(name="Rome", since=date(2001, 1, 1)), "days": 3}
    assert visit(**given) == "Rome train 3"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "town: Field required"),
        ({"town": {"name": 3}}, "town.name: Input should be a valid string"),
        ({"town": {"name": "a"}, "days": 0}, "days: Input should be greater"),
        ({"town": {"name": "a"}, "more": 0}, "more: Extra inputs are not permitted"),
    ],
)
def test_arguments_that_do_not_fit_are_told_place_by_place(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match="^" + said.replace(".", r"\.")):
        made(visit).arguments(given)


@pytest.mark.parametrize(
    ("function", "name"),
    [(Counter(2), "Counter"), (Counter().method, "method"), (partial(visit, days=4), "partial")],
)
def test_objects_and_methods_are_tools_too(function: Any, name: str) -> None:
    tool = made(function)
    assert tool.name == name
    assert "properties" in tool.parameters


def bare(query):  # type: ignore[no-untyped-def]
    return query


def half(query: str, limit=3) -> str:  # type: ignore[no-untyped-def]
    return query


def many(*queries: str) -> str:
    return ""


def any_of(**queries: str) -> str:
    return ""


def placed(query: str, /) -> str:
    return query


def unknown(query: Nowhere) -> str:  # type: ignore[name-defined] # noqa: F821
    return ""


def opaque(query: Counter, cell: Callable[[], None]) -> str:
    return ""


def ünder(query: str) -> str:
    return query


def renamed(query: str) -> str:
    return query


renamed.__name__ = "x" * 65
REFUSED = [
    (bare, "parameter 'query' has no type hint.*write for example `query: str`"),
    (half, "parameter 'limit' has no type hint"),
    (many, r"parameter '\*queries' cannot be given by a name"),
    (any_of, r"parameter '\*\*queries' cannot be given by a name"),
    (placed, "'query' cannot be given by a name of its own"),
    (unknown, "type hints cannot be read .*Nowhere"),
    (opaque, "type hints cannot be told to a model"),
    (ünder, "is called 'ünder', which endpoints refuse"),
    (renamed, "which endpoints refuse"),
    (lambda query: query, "is called '<lambda>', which endpoints refuse"),
]


@pytest.mark.parametrize(("function", "said"), REFUSED)
def test_what_a_model_could_not_call_is_refused_when_the_graph_is_built(function: Any, said: str) -> None:
    with pytest.raises(GraphError, match=said):
        Agent(tools=(function,))


def test_two_tools_of_one_name_are_refused() -> None:
    def visit(town: str) -> str:
        return town

    with pytest.raises(GraphError, match="two tools are called 'visit'"):
        Agent(tools=(visit, globals()["visit"]))


def test_half_a_surrogate_pair_in_a_tool_can_be_sent() -> None:
    def odd(query: str = "\ud800") -> str:
        return query

    odd.__doc__ = "Half \udfff a pair."
    source = TOOL.given(odd)
    assert source is not None
    tools_json([tool_of(source)]).encode()
