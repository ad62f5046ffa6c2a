"""The optimizers by name. A new one is a file that implements `Optimizer`, and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ...errors import UnknownName
from .base import Optimizer, ProblemSpec
from .coordinate import CoordinateAscent
from .exhaustive import Exhaustive
from .halving import SuccessiveHalving
from .racing import Racing
from .random_search import RandomSearch
from .tpe import TPE

__all__ = ["OPTIMIZERS", "MakeOptimizer", "optimizer_named"]

MakeOptimizer = Callable[[ProblemSpec], Optimizer]

OPTIMIZERS: Mapping[str, MakeOptimizer] = {
    "racing": Racing,
    "halving": Racing,  # the name that it had before
    "tpe": TPE,
    "halving-plain": SuccessiveHalving,
    "random": RandomSearch,
    "coordinate": CoordinateAscent,
    "exhaustive": Exhaustive,
}


def optimizer_named(name: str) -> MakeOptimizer:
    """What makes the optimizer of that name.

    Raises:
        UnknownName: there is none; the message names the nearest.
    """
    if name not in OPTIMIZERS:
        raise UnknownName("optimizer", name, OPTIMIZERS)
    return OPTIMIZERS[name]
