from __future__ import annotations

import asyncio
import inspect
from typing import Any

from apportion import skippable
from apportion.apps.skipping import skippable_name


@skippable("sort")
def sort(state: dict[str, Any], *, reverse: bool = False) -> dict[str, Any]:
    """Sorts."""
    return {"items": sorted(state["items"], reverse=reverse)}


@skippable("later")
async def later(state: dict[str, Any]) -> dict[str, Any]:
    await asyncio.sleep(0)
    return {"items": state["items"][::-1]}


def test_outside_a_run_nothing_is_left_out() -> None:
    assert sort({"items": [2, 1]}, reverse=True) == {"items": [2, 1]}
    assert asyncio.run(later({"items": [1, 2]})) == {"items": [2, 1]}


def test_a_mark_hides_nothing_of_the_function() -> None:
    assert list(inspect.signature(sort).parameters) == ["state", "reverse"]
    assert (sort.__name__, sort.__doc__) == ("sort", "Sorts.")
    assert inspect.iscoroutinefunction(later)
    assert (skippable_name(sort), skippable_name(later), skippable_name(len)) == ("sort", "later", None)
