"""Names that may end in a number, such as `ahead_by_3`: one entry of a table serves every number."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from functools import partial
from typing import Any

from ..errors import UnknownName, UsageError
from ..registry import Registry

__all__ = ["numbered"]

_NUMBERED = re.compile(r"(?P<name>.+?)_(?P<number>-?[0-9]+)")
_NUMBER = re.compile("[1-9][0-9]{0,17}")


def numbered(table: Registry[Callable[..., Any]], text: str) -> Callable[..., Any]:
    """The function that a text names: an entry of the table, or one with a number behind it.

    An entry takes a number where it has a parameter `number`; without a default it must be given one.

    Args:
        table: of functions.
        text: `NAME` or `NAME_K`, K a whole number from 1 on.

    Raises:
        UnknownName: there is no such entry; the message has the nearest form, or all forms.
        UsageError: its number is missing, is none, or it takes none.
    """
    if text in table:
        if _takes_number(table[text]) == "must":
            raise UsageError(f"{table.what} {text!r} needs a number: write {text}_K, with K a whole number from 1 on")
        return table[text]
    found = _NUMBERED.fullmatch(text)
    if found is None or found["name"] not in table:
        raise UnknownName(table.what, text, (form for name in table for form in _forms(name, table[name])))
    name, number = found["name"], found["number"]
    if not _takes_number(table[name]):
        raise UsageError(f"{table.what} {text!r}: {name!r} takes no number; write {name}")
    if not _NUMBER.fullmatch(number):
        raise UsageError(f"{table.what} {text!r} must be written {name}_K, with K a whole number from 1 on")
    return partial(table[name], number=int(number))


def _takes_number(function: Callable[..., Any]) -> str:
    """Whether it `must` or `may` have one; an empty text where it takes none."""
    try:
        parameter = inspect.signature(function).parameters.get("number")
    except (TypeError, ValueError):  # some that are written in C do not tell
        parameter = None
    if parameter is None:
        return ""
    return "must" if parameter.default is inspect.Parameter.empty else "may"


def _forms(name: str, function: Callable[..., Any]) -> tuple[str, ...]:
    takes = _takes_number(function)
    return {"must": (f"{name}_K",), "may": (name, f"{name}_K")}.get(takes, (name,))
