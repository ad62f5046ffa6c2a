"""What corrections of cascades are worth on questions that neither the lists nor the corrections were learned from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..tables.table import Table
from .cascade_by_family import FamilyMeans
from .cascade_rehearsal import CascadeRehearsal, Forecasts
from .corrected_list import CorrectedList
from .correction_search import SHARES, corrected, with_lists

__all__ = ["rehearse_corrections"]


def rehearse_corrections(found: CascadeRehearsal) -> Mapping[float, Forecasts]:
    """Forecasts by the means of each family, for every share of what is learned.

    The folds are those in which the lists were searched; corrections are learned in each of them anew. Without a share
    they are the forecasts of the lists.
    """
    learned = [corrected(fold.inside, fold.by_family) for fold in found.folds]
    order = np.argsort(np.concatenate([fold.rows for fold in found.folds]))
    ways = {0.0: found.families}
    for share in SHARES[1:]:
        parts = [
            _forecasts(lists[share], fold.inside, fold.outside, share)
            for lists, fold in zip(learned, found.folds, strict=True)
        ]
        ways[share] = _together(parts).take(order)
    return ways


def _forecasts(lists: Sequence[CorrectedList], inside: Table, outside: Table, share: float) -> Forecasts:
    known = with_lists(inside, lists, share)
    foreseen = FamilyMeans.of(known).forecasts(outside.questions)
    return Forecasts(*foreseen, with_lists(outside, lists, 1.0).mean_scores)


def _together(parts: Sequence[Forecasts]) -> Forecasts:
    """One after the other; where a part has fewer columns, its last ones are the first arm once more."""
    width = max(part.scores.shape[1] for part in parts)
    columns = [np.arange(width) * (np.arange(width) < part.scores.shape[1]) for part in parts]
    return Forecasts(
        *(
            np.concatenate([getattr(part, name)[:, own] for part, own in zip(parts, columns, strict=True)])
            for name in ("scores", "costs", "high", "real")
        )
    )
