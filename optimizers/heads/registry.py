"""The score heads by name, simplest first."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .base import Examples, ScoreHead
from .clusters import ClusterHead, fit_clusters

__all__ = ["HEADS", "AnyHead", "FitHead"]

FitHead = Callable[[Examples, int], ScoreHead]
"""(examples, seed) -> head."""

AnyHead = ClusterHead
"""Any of them, told apart by `kind` in JSON."""

HEADS: Mapping[str, FitHead] = {"clusters": fit_clusters}
