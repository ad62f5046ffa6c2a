"""Names with a number behind them, of any table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apportion.errors import UnknownName, UsageError
from apportion.nodes.numbered import numbered
from apportion.registry import Registry


def plain() -> str:
    return "plain"


def must(number: int) -> int:
    return number


def may(number: int | None = None) -> int | None:
    return number


def _any(name: str, thing: object) -> Callable[..., Any]:
    assert callable(thing)
    return thing


TABLE: Registry[Callable[..., Any]] = Registry("thing", "apportion.no_such_group", _any, {}).adding(
    [("plain", plain), ("must_by", must), ("may", may), ("may_2", plain), ("dict", dict)]
)


@pytest.mark.parametrize(
    ("text", "result"),
    [("plain", "plain"), ("must_by_3", 3), ("may", None), ("may_7", 7), ("may_2", "plain"), ("dict", {})],
)
def test_a_name_of_the_table_comes_before_one_with_a_number(text: str, result: object) -> None:
    assert numbered(TABLE, text)() == result


@pytest.mark.parametrize("text", ["must_by", "must_by_0", "must_by_-3", "may_00", "may_" + "9" * 5000])
def test_a_number_must_be_a_whole_one_from_1_on(text: str) -> None:
    with pytest.raises(UsageError, match="K a whole number from 1 on"):
        numbered(TABLE, text)


def test_what_takes_no_number_says_so() -> None:
    with pytest.raises(UsageError, match="'plain' takes no number; write plain"):
        numbered(TABLE, "plain_3")


@pytest.mark.parametrize("text", ["", "_3", "nothing", "must_by_three", "mäy_٣", "may_\n3"])
def test_what_is_not_there_is_told_the_nearest_or_all_forms(text: str) -> None:
    with pytest.raises(UnknownName, match=r"did you mean|known: dict, may, may_2, may_K, must_by_K, plain"):
        numbered(TABLE, text)
