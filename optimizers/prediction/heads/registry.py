"""The score heads by name, simplest first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Protocol

from pydantic import Field

from .base import Examples
from .boosting import BoostingHead, fit_boosting
from .clusters import ClusterHead, fit_clusters
from .logistic import LogisticHead, fit_logistic

__all__ = ["HEADS", "AnyHead", "FitHead"]

AnyHead = Annotated[ClusterHead | LogisticHead | BoostingHead, Field(discriminator="kind")]
"""Any of them, told apart by `kind` in JSON."""


class FitHead(Protocol):
    """Fits a head."""

    def __call__(self, examples: Examples, seed: int, like: Any = None) -> ClusterHead | LogisticHead | BoostingHead:
        """Learns from examples; `like` is a head of the same kind whose settings are taken instead of chosen."""


HEADS: Mapping[str, FitHead] = {"clusters": fit_clusters, "logistic": fit_logistic, "boosting": fit_boosting}
