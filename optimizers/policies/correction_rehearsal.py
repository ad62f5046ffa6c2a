"""What corrections of cascades are worth on questions that neither the lists nor the corrections were learned from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .arm_means import ArmMeans
from .cascade_by_family import FamilyMeans
from .cascade_rehearsal import CascadeRehearsal, Forecasts, SearchedFold
from .corrected_list import CorrectedList
from .correction_search import SHARES, corrected, with_lists

__all__ = ["Way", "rehearse_corrections"]


@dataclass(frozen=True, slots=True)
class Way:
    """How lists are chosen and corrected."""

    by_family: bool
    """Whether each family has the list that is best for it, or all have one."""
    share: float
    """How much of the corrections counts, see `corrected`."""

    @property
    def name(self) -> str:
        """For example "0" or "family 0.5"."""
        return f"{'family ' if self.by_family else ''}{self.share:g}"


def rehearse_corrections(found: CascadeRehearsal) -> Mapping[Way, Forecasts]:
    """What each way foresees, and what came true; from simple to complex.

    The folds are those in which the lists were searched; corrections are learned in each of them anew. Without a share
    the forecasts are those of the lists. Where there is one family, nothing is chosen by family.
    """
    several = len({question.family for fold in found.folds for question in fold.inside.questions}) > 1
    order = np.argsort(np.concatenate([fold.rows for fold in found.folds]))
    ways: dict[Way, Forecasts] = {}
    for by_family in (False, True) if several else (False,):
        learned = [corrected(fold.inside, fold.by_family if by_family else fold.cascades) for fold in found.folds]
        for share in SHARES:
            way = Way(by_family, share)
            if share == 0:
                ways[way] = found.families if by_family else found.one
                continue
            parts = [_forecasts(way, lists[share], fold) for lists, fold in zip(learned, found.folds, strict=True)]
            ways[way] = _together(parts).take(order)
    return ways


def _forecasts(way: Way, lists: Sequence[CorrectedList], fold: SearchedFold) -> Forecasts:
    known, questions = with_lists(fold.inside, lists, way.share), fold.outside.questions
    if way.by_family:
        foreseen = FamilyMeans.of(known).forecasts(questions)
    else:
        foreseen = ArmMeans.of(known).for_questions(len(questions))
    real = with_lists(fold.outside, lists, 1.0).mean_scores
    return Forecasts(*foreseen, real, wrong_costs=known.wrong_costs)


def _together(parts: Sequence[Forecasts]) -> Forecasts:
    """One after the other; where a part has fewer columns, its last ones are the first arm once more."""
    width = max(part.scores.shape[1] for part in parts)
    columns = [np.arange(width) * (np.arange(width) < part.scores.shape[1]) for part in parts]
    scores, costs, high, real = (
        np.concatenate([getattr(part, name)[:, own] for part, own in zip(parts, columns, strict=True)])
        for name in ("scores", "costs", "high", "real")
    )
    return Forecasts(scores, costs, high, real, parts[0].wrong_costs)
