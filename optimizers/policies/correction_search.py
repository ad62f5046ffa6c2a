"""Where a list is better left, learned from a table: what another look, or none, is worth at the price of the list.

The gain of leaving a list in a state is the mean, over the questions that come there, of what is scored more, less the
price times what is paid more. Such means are many and their questions few, so each is drawn towards 0, the list, and a
share of it must exceed its standard error. With a share of 0 nothing is corrected, and the list is what it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import Bools, Floats, Ints
from ..frontier import hull
from ..tables.cascades import Signs, flat_cells, outcomes_of
from ..tables.table import Arm, Table
from .corrected_list import (
    Boundary,
    CorrectedList,
    Correction,
    boundaries,
    cell_families,
    most_frequent,
    outcome_of,
)

__all__ = ["SHARES", "corrected", "with_lists"]

SHARES = (0.0, 0.25, 0.5, 1.0)
"""How much of what was learned counts; at 0.25 a gain must be four standard errors, at 1 one."""
_CANDIDATES = 12
"""Arms that another look may be at."""
_FEWEST = 12
"""Questions in a state, below which nothing is corrected there."""
_PRIOR = 10.0
"""How many questions without a gain, as spread as all, stand beside those of a state."""


def corrected(table: Table, cascades: Sequence[Arm]) -> Mapping[float, tuple[CorrectedList, ...]]:
    """Lists with the corrections that a table teaches, for every share.

    Args:
        table: shows something of its answers.
        cascades: of its arms. Those that go by learned confidences, or withhold answers, stay as they are.
    """
    prices = _prices(table, cascades)
    ground = _Ground(table, _candidates(table, cascades))
    found: dict[float, list[CorrectedList]] = {share: [] for share in SHARES}
    for cascade, price in zip(cascades, prices.tolist(), strict=True):
        if _reads_learned(cascade):
            for share in SHARES:
                found[share].append(CorrectedList(cascade=cascade))
            continue
        options = [list(ground.options(boundary, cascade, price)) for boundary in ground.along(cascade)]
        for share in SHARES:
            found[share].append(ground.learned(cascade, options, share))
    return {share: tuple(lists) for share, lists in found.items()}


def _reads_learned(cascade: Arm) -> bool:
    """Whether a list goes by confidences that were learned: of single arms, which are asked alone, nobody has them."""
    stops = [stage for stage in cascade.stages[:-1] if stage.stop == "confidence"]
    decides = cascade.stages if cascade.final == "most_confident" else stops
    return cascade.answers_at > 0 or any(stage.confidence is not None for stage in decides)


def with_lists(table: Table, lists: Sequence[CorrectedList], share: float) -> Table:
    """The table with lists as further arms; of what their corrections add to scores, a share.

    Of the table's own arms nothing is kept that shows of answers. Lists with one name are one arm.
    """
    lists = list({each.arm.name: each for each in lists}.values())
    if not lists:
        return table
    arms = [each.cascade for each in lists]
    scores, costs = (each.copy() for each in outcomes_of(arms, table))
    shape = (len(table.questions), table.scores.shape[2])
    for number, outcome in enumerate(outcome_of(lists, table)):
        if lists[number].corrections:
            real = _standing_scores(table, outcome.standing).reshape(shape)
            scores[:, number] = (1 - share) * scores[:, number] + share * real
            costs[:, number] = outcome.cost.reshape(shape)
    return Table(
        table.questions,
        (*table.arms, *(each.arm for each in lists)),
        np.concatenate([table.scores, scores], axis=1),
        np.concatenate([table.costs, costs], axis=1),
        table.unit,
        clusters=table.clusters,
        wrong_costs=table.wrong_costs,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Option:
    """A way to leave a list at a boundary."""

    boundary: Boundary
    arm: str
    gains: Floats
    """(cells,): what it is worth more than the list."""
    admitted: Bools
    """(cells,): where it is not what the list does anyway."""


class _Ground:
    """A table as corrections are learned from it."""

    def __init__(self, table: Table, candidates: Sequence[int]) -> None:
        self._table, self._candidates = table, candidates
        self._signs = Signs.of(table).flat()
        self._costs = flat_cells(table.costs)
        self._families = cell_families(table)
        replicates = table.scores.shape[2]
        self._questions = np.repeat(np.arange(len(table.questions)), replicates)
        self._names = [family for family, _ in Counter(self._families.tolist()).most_common()]
        sure = self._signs.sure
        self._usual = {
            arm.name: float(np.median(told[np.isfinite(told)]))
            for arm, told in zip(table.arms, sure, strict=True)
            if np.isfinite(told).any()
        }

    def along(self, cascade: Arm) -> list[Boundary]:
        """The table after each look along a list."""
        return list(boundaries(cascade, self._table, self._signs, self._usual))

    def options(self, boundary: Boundary, cascade: Arm, price: float) -> Iterator[_Option]:
        """All ways to leave a list at a boundary, the one that costs nothing first."""
        plain = CorrectedList(cascade=cascade).outcome(self._table, self._signs, self._families)
        final = _standing_scores(self._table, plain.standing)
        spent = self._costs[list(boundary.asked)].sum(axis=0)
        now = _standing_scores(self._table, boundary.standing)
        yield _Option(boundary, "", now - final - price * (spent - plain.cost), boundary.there & ~boundary.stops)
        for arm in self._candidates:
            if arm in boundary.asked:
                continue
            asked = (*boundary.asked, arm)
            then = _standing_scores(self._table, np.array(asked)[most_frequent(self._signs.take(asked))])
            gains = then - final - price * (spent + self._costs[arm] - plain.cost)
            yield _Option(boundary, self._table.arms[arm].name, gains, boundary.there)

    def learned(self, cascade: Arm, options: Sequence[Sequence[_Option]], share: float) -> CorrectedList:
        """A list with its corrections at a share; what is left at one boundary is not there at the next."""
        corrections: list[Correction] = []
        left = np.zeros(len(self._questions), bool)
        for each in options if share > 0 else ():
            found = self._at(each, left, share)
            corrections += [correction for correction, _ in found]
            for _, rows in found:
                left = left | rows
        names = {stage.arm for stage in cascade.stages}
        usual = {name: value for name, value in self._usual.items() if name in names} if corrections else {}
        return CorrectedList(cascade=cascade, usual=usual, corrections=tuple(corrections))

    def _at(self, options: Sequence[_Option], left: Bools, share: float) -> list[tuple[Correction, Bools]]:
        boundary = options[0].boundary
        there = boundary.there & ~left
        gains = np.stack([np.where(option.admitted, option.gains, 0.0) for option in options])
        spread = gains[:, there].var(axis=1) if there.any() else np.zeros(len(options))
        found: list[tuple[Correction, Bools]] = []
        for state in np.unique(boundary.states[there]).tolist():
            rows = there & (boundary.states == state)
            common = self._best(gains[:, rows], spread, self._questions[rows], share)
            taken = np.zeros_like(rows)
            if len(self._names) > 1:
                beyond = gains if common is None else gains - gains[common]
                for family in self._names:
                    own = rows & (self._families == family)
                    best = self._best(beyond[:, own], spread, self._questions[own], share)
                    if best is not None:
                        found.append((self._correction(options[best], state, family), own))
                        taken |= own
            if common is not None:
                found.append((self._correction(options[common], state, None), rows & ~taken))
        return found

    def _correction(self, option: _Option, state: int, family: str | None) -> Correction:
        return Correction(looks=option.boundary.looks, state=state, family=family, arm=option.arm)

    def _best(self, gains: Floats, spread: Floats, questions: Ints, share: float) -> int | None:
        """The option that gains most by more than its standard error over the share; None where none does."""
        count = len(np.unique(questions))
        if count < _FEWEST:
            return None
        cells = gains.shape[1]
        weight = cells / (cells + _PRIOR * cells / count)
        means = weight * gains.mean(axis=1)
        variance = weight * gains.var(axis=1) + (1 - weight) * spread
        errors = np.sqrt(variance / count)
        worth = np.where(share * means > errors, means, -np.inf)
        best = int(np.argmax(worth))
        return best if worth[best] > 0 else None


def _standing_scores(table: Table, standing: Ints) -> Floats:
    """(cells,): the scores of the answers that stand."""
    return np.asarray(np.take_along_axis(flat_cells(table.scores), standing[None], axis=0)[0])


def _prices(table: Table, cascades: Sequence[Arm]) -> Floats:
    """(cascades,): the price of a unit of cost at which each is what the budget buys, from the hull of all means."""
    scores, costs = (each.mean(axis=(0, 2)) for each in outcomes_of((*table.arms, *cascades), table))
    corners = hull(costs, scores)
    slopes = np.diff(scores[corners]) / np.diff(costs[corners])
    if not len(slopes):
        return np.zeros(len(cascades))
    # At a corner between two slopes either is right; between two corners the slope is.
    before, after = np.append(2 * slopes[:1], slopes), np.append(slopes, slopes[-1:] / 2)
    at_corners = np.sqrt(np.maximum(before * after, 0.0))
    own = costs[len(table.arms) :]
    place = np.searchsorted(costs[corners], own)
    at = np.minimum(place, len(corners) - 1)
    exact = costs[corners][at] == own
    between = after[np.clip(place - 1, 0, len(after) - 1)]
    return np.asarray(np.where(exact, at_corners[at], between))


def _candidates(table: Table, cascades: Sequence[Arm]) -> list[int]:
    """Arms of the table that lists name, the most frequent first, then those at the corners of the hull."""
    named = Counter(table.arm(stage.arm) for cascade in cascades for stage in cascade.stages)
    corners = hull(table.mean_costs.mean(axis=0), table.mean_scores.mean(axis=0)).tolist()
    ordered = [*sorted(named, key=lambda arm: (-named[arm], arm)), *corners]
    return list(dict.fromkeys(ordered))[:_CANDIDATES]
