"""The optimizers by name. A new one is a file that implements `Optimizer`, and a line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from ...errors import UsageError
from ...registry import Registry

if TYPE_CHECKING:
    from .base import Optimizer, ProblemSpec

__all__ = ["OPTIMIZERS", "MakeOptimizer", "optimizer_named"]

MakeOptimizer: TypeAlias = "Callable[[ProblemSpec], Optimizer]"


def _checked(_: str, optimizer: Any) -> MakeOptimizer:
    if not callable(optimizer):
        raise UsageError(f"{optimizer!r} is no optimizer's class, nor a function that makes one from a ProblemSpec")
    made: MakeOptimizer = optimizer
    return made


OPTIMIZERS: Registry[MakeOptimizer] = Registry(
    "optimizer",
    "apportion.optimizers",
    _checked,
    {
        "racing": "optimizers.search.racing:Racing",
        "halving": "optimizers.search.racing:Racing",  # the name that it had before
        "tpe": "optimizers.search.tpe:TPE",
        "halving-plain": "optimizers.search.halving:SuccessiveHalving",
        "random": "optimizers.search.random_search:RandomSearch",
        "coordinate": "optimizers.search.coordinate:CoordinateAscent",
        "exhaustive": "optimizers.search.exhaustive:Exhaustive",
    },
)
"""The package's own and those that installed packages register; never changes."""


def optimizer_named(name: str) -> MakeOptimizer:
    """What makes the optimizer of that name, or the one that `module:name` names.

    Raises:
        UnknownName: there is none; the message names the nearest.
        UsageError: it cannot be imported, or makes none.
    """
    return OPTIMIZERS.resolve(name)
