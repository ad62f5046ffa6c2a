from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from apportion import ToolResult, priced
from apportion.errors import GraphError
from apportion.nodes.callables import Given
from apportion.nodes.tool_costs import MOST_USD, billionths, price_of
from apportion.nodes.tools import TOOL, tool_of


@priced(usd=0.25)
def search(query: str) -> str:
    return query


class Shop:
    usd_per_call = 0.5

    @priced(usd=1)
    def buy(self, name: str) -> str:
        return name

    def __call__(self, name: str) -> str:
        return name


def test_what_a_function_may_cost_is_stated_of_it_and_it_stays_what_it_is() -> None:
    assert search("a") == "a"
    assert tool_of(Given(search, "a:search", TOOL)).usd == 250_000_000
    assert tool_of(Given(Shop(), "a:shop", TOOL)).usd == 500_000_000
    assert tool_of(Given(Shop().buy, "a:buy", TOOL)).usd == 1_000_000_000
    assert price_of(partial(len), "a:len") == 0
    assert price_of(priced(usd=0)(lambda: ""), "a:x") == 0


class Till:
    @priced(usd=2)
    def __call__(self, name: str) -> str:
        return name


def test_what_is_stated_holds_for_a_function_in_every_wrapping() -> None:
    assert price_of(partial(search, query="a"), "a:x") == 250_000_000
    assert price_of(partial(partial(search), query="a"), "a:x") == 250_000_000
    assert price_of(Till(), "a:x") == price_of(partial(Till(), name="b"), "a:x") == 2_000_000_000
    assert price_of(Till().__call__, "a:x") == 2_000_000_000
    assert price_of(priced(usd=0.5)(partial(search, query="a")), "a:x") == 500_000_000


def test_what_is_stated_anew_holds_from_then_on() -> None:
    def tool(query: str) -> str:
        return query

    assert tool_of(Given(tool, "a:tool", TOOL)).usd == 0
    assert tool_of(Given(priced(usd=1)(tool), "a:tool", TOOL)).usd == 1_000_000_000


@pytest.mark.parametrize("usd", [-0.1, float("nan"), float("inf"), MOST_USD * 2, "1", None, True, 10**400])
def test_what_is_no_price_is_refused_where_it_is_stated(usd: Any) -> None:
    with pytest.raises(GraphError, match="usd must be a number of dollars from 0 to 1,000,000"):
        priced(usd=usd)

    def tool(query: str) -> str:
        return query

    tool.usd_per_call = usd  # type: ignore[attr-defined]
    with pytest.raises(GraphError, match="tool 'a:tool': usd must be"):
        tool_of(Given(tool, "a:tool", TOOL))


def test_what_cannot_hold_a_price_is_refused() -> None:
    with pytest.raises(GraphError, match="wrap it in a function"):
        priced(usd=1.0)(len)


@pytest.mark.parametrize(("usd", "whole"), [(0, 0), (1e-9, 1), (1.2e-9, 2), (1e-13, 0), (0.1 * 3, 300_000_000)])
def test_dollars_are_rounded_up_but_for_errors_of_floats(usd: float, whole: int) -> None:
    assert billionths(usd) == whole


def test_a_result_may_say_more_than_its_text() -> None:
    assert ToolResult("a") == ToolResult("a", None, False)
