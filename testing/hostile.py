"""JSON with something wrong in it, for readers of files: each must refuse it with an error that names the place."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

__all__ = ["hostile"]

_VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 10**30, -(10**400), 1e308, 1e-320, float("nan"), float("inf")),
    *("", "x", "a->b", "\x1b[31m\0", "\ud83d", "*", "os:system"),
    *([], {}, [[]], [1.0, [2.0]], {"choose": []}, {"choose": [[], {}]}, {"low": 5, "high": 1}, {"import": "os:system"}),
)


def hostile(content: Any, generator: random.Random) -> Any:
    """A copy of a JSON value in which one or two places are wrong.

    A value is another, is missing, is there once too often, or a list is shorter by half. Every depth is met about as
    often as any other, so that long lists of numbers do not hide the rest.

    Args:
        content: lists, objects and what they hold.
        generator: draws the places and what is done there.
    """
    content = copy.deepcopy(content)
    for _ in range(generator.choice((1, 1, 2))):
        by_depth: dict[int, list[tuple[Any, Any]]] = {}
        for depth, holder, key in _places(content, 0):
            by_depth.setdefault(depth, []).append((holder, key))
        if not by_depth:
            return generator.choice(_VALUES)
        _spoil(*generator.choice(by_depth[generator.choice(sorted(by_depth))]), generator)
    return content


def _places(value: Any, depth: int) -> Iterator[tuple[int, Any, Any]]:
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield depth, value, key
        yield from _places(value[key], depth + 1)


def _spoil(holder: Any, key: Any, generator: random.Random) -> None:
    match generator.randrange(8):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        case 1:
            holder["further"] = 1
        case 2 if isinstance(holder[key], list):
            del holder[key][len(holder[key]) // 2 :]
        case _:
            holder[key] = copy.deepcopy(generator.choice(_VALUES))
