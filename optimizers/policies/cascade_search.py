"""Beam search for cascades: lists of arms that score most for what they cost, on questions that are to be learned from.

Lists grow by one stage at a time. What a list has seen and paid so far is computed once and shared by all that begin
like it; a further stage is looked at only where the list still asks. So 32 arms, three thousand cells and four stages
take some seconds of one core. How sure answers are is judged there by what was learned from other questions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Bools, Floats, Ints
from ..frontier import hull, thinned
from ..prediction.confidence import FittedConfidences, fit_confidences
from ..tables.cascades import Signs, cascade_arm, final_of, flat_cells, stops
from ..tables.table import Arm, FinalRule, Stage, Table

__all__ = ["MOST_CASCADES", "STAGES", "find_cascades", "find_cascades_for", "find_selective"]

STAGES = 4
"""The most arms of a cascade."""
MOST_CASCADES = 16
"""That join the arms of a table."""
_LEVELS = np.linspace(0.1, 0.9, 5)
"""Quantiles of an arm's confidences that are tried as thresholds."""
_BEAM = ((12, 5), (4, 3))
"""For all questions, and for each further group: prices of a unit of cost, and lists that each extends."""
_ENDS = 4
"""So many of the best are looked at for each that the beam takes: most are one list with another end."""
_BY_CONFIDENCE = 0.5
"""How much of a priced answer's value is what its confidence says."""
_CELLS = 2500
"""A search looks at no more cells than that where questions have several replicates."""


def find_cascades(table: Table, *, most: int = MOST_CASCADES, stages: int = STAGES) -> tuple[Arm, ...]:
    """The cascades at the corners of the upper hull of cost and score, single arms not among them.

    Args:
        table: without gaps. What the rules may read is what the table has: confidences, answers, abstentions.
        most: how many at most, evenly along the hull.
        stages: the most arms of a cascade.

    Returns:
        Cheapest first; none where the table shows nothing of its answers, or no cascade beats mixing single arms. Where
        wrong answers cost something, a cascade may have one stage: an arm whose answer stands where it is sure enough.
    """
    return find_cascades_for(table, np.ones((len(table.questions), 1)), most=most, stages=stages)[0]


def find_selective(table: Table) -> tuple[Arm, ...]:
    """The arms that withhold what they are not sure of, those at the corners of the hull; none at a price of 0.

    Args:
        table: see `find_cascades`.
    """
    return find_cascades(table, most=len(table.arms), stages=1) if table.wrong_costs else ()


def find_cascades_for(
    table: Table, weights: Floats, *, most: int = MOST_CASCADES, stages: int = STAGES
) -> list[tuple[Arm, ...]]:
    """The same for several groups of questions in one search.

    Args:
        table: see `find_cascades`.
        weights: (questions, groups): how much a question counts in each group; in the first all are alike.
        most: how many at most for each group.
        stages: see `find_cascades`.

    Returns:
        For every group its cascades.
    """
    if not table.shows_answers:
        return [()] * weights.shape[1]
    search = _Search(table, weights)
    found = [*search.singles()]
    beam = search.begin()
    for length in range(2, stages + 1):
        grown = [each for prefix in beam for each in search.extended(prefix)]
        if not grown:
            break
        found += grown
        if length < stages:
            beam = [prefix for each in _promising(found, grown) for prefix in search.asking(each)]
    costs, scores = np.stack([each.cost for each in found]), np.stack([each.score for each in found])
    chosen = []
    for group in range(weights.shape[1]):
        corners = hull(costs[:, group], scores[:, group]).tolist()
        kept = np.array([corner for corner in corners if found[corner].looks], np.intp)
        arms = [search.arm(found[i]) for i in (thinned(kept, most).tolist() if len(kept) else [])]
        chosen.append(tuple({arm.name: arm for arm in arms}.values()))
    return chosen


_End = tuple[FinalRule, float]
"""What decides the answer of a list: the rule for the final one, and how sure it must be to stand."""


@dataclass(frozen=True, slots=True, eq=False)
class _Prefix:
    """A list that may go on: its stages with their rules, and where it still asks."""

    arms: tuple[int, ...]
    stages: tuple[Stage, ...]
    cells: Ints
    """The cells in which the next stage would be asked."""
    cost: Floats
    """(groups,): paid so far, the weighted mean over all cells."""
    done: dict[_End, Floats]
    """Of the cells that have ended, by what decides the answer, (groups,): their part of the mean score."""


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """A list with its last arm."""

    prefix: _Prefix | None
    """None for a single arm."""
    last: int
    """The number of its arm; -1 where nothing is asked."""
    end: _End
    cost: Floats
    """(groups,)."""
    score: Floats

    @property
    def looks(self) -> bool:
        """Whether an answer is looked at before it stands."""
        return self.prefix is not None or self.end[1] > 0


class _Search:
    """A table as the search needs it: (arms, cells), a cell for each question and replicate."""

    def __init__(self, table: Table, weights: Floats) -> None:
        replicates = max(1, min(table.scores.shape[2], _CELLS // max(1, len(table.questions))))
        table = table.replicates(np.arange(replicates))
        self._names = [arm.name for arm in table.arms]
        learned = fit_confidences(table)
        self._confidences = [learned.arms.get(name) for name in self._names]
        sure = np.swapaxes(np.where(np.isnan(learned.held_out), -np.inf, learned.held_out), 0, 1)
        self._signs = replace(Signs.of(table), sure=np.ascontiguousarray(sure)).flat()
        self._scores = flat_cells(_foretold(table, learned))
        self._costs = flat_cells(table.costs)
        weights = np.repeat(weights, replicates, axis=0)
        self._weights = weights / weights.sum(axis=0)
        self._knows = table.answers is not None
        self._finals: list[FinalRule] = ["last", "first_sure"]
        self._finals += ["plurality"] if table.answers is not None else []
        self._tells: Bools = np.asarray(np.isfinite(self._signs.sure).any(axis=1))
        tells = bool(self._tells.any())
        self._finals += ["most_confident"] if tells else []
        price = table.wrong_costs
        own = Signs.of(table).flat().sure
        # What is hard for one arm is hard for the next: on recorded models thresholds on tokens alone gained nothing,
        # and were one more way to be lucky where they were found. They decide which answer stands, and whether.
        self._gates: Bools = np.asarray(np.isfinite(own).any(axis=1))
        # Where a wrong answer costs that, one that is surer is worth more than none.
        self._least = [0.0, price / (1 + price)] if price and tells else [0.0]
        self._ends = [(final, least) for final in self._finals for least in self._least]
        self._priced = price > 0

    def singles(self) -> Iterator[_Found]:
        """Every arm alone, and where wrong answers cost something, nothing at all."""
        if self._priced:
            nothing = np.zeros(self._weights.shape[1])
            yield _Found(None, -1, ("last", 0.0), nothing, nothing)
        for arm in range(len(self._names)):
            cost = self._costs[arm] @ self._weights
            for least in self._least if self._tells[arm] else self._least[:1]:
                scores = self._standing(least, self._scores[arm], self._signs.answered[arm], self._signs.sure[arm])
                yield _Found(None, arm, ("last", least), cost, scores @ self._weights)

    def begin(self) -> list[_Prefix]:
        """Every arm as the first stage, with every rule."""
        everywhere = np.arange(self._scores.shape[1])
        nothing = np.zeros(self._weights.shape[1])
        none = _Prefix((), (), everywhere, nothing, dict.fromkeys(self._ends, nothing))
        return [prefix for arm in range(len(self._names)) for prefix in self._asking(none, arm)]

    def extended(self, prefix: _Prefix) -> list[_Found]:
        """The list with each other arm after it, under each final rule that makes a difference."""
        cells, others = prefix.cells, [arm for arm in range(len(self._names)) if arm not in prefix.arms]
        if not others:
            return []
        weights = self._weights[cells]
        costs = prefix.cost + self._costs[others][:, cells] @ weights
        found: list[_Found] = []
        best = np.full(costs.shape, -np.inf)
        for end, values in self._values(prefix, others):
            scores = prefix.done[end] + values @ weights
            if end[0] == "most_confident" or end[1] > 0:  # of no meaning where nobody says how sure it is
                known = self._tells[list(prefix.arms)].any() | self._tells[others]
                scores = np.where(known[:, None], scores, -np.inf)
            # Of rules that come to the same the simplest stays.
            better = (scores > best + 1e-12).any(axis=1)
            best = np.maximum(scores, best)
            found += [_Found(prefix, others[i], end, costs[i], scores[i]) for i in np.flatnonzero(better)]
        return found

    def asking(self, found: _Found) -> list[_Prefix]:
        """What was found as the beginning of a longer list, with every rule at its last stage."""
        assert found.prefix is not None
        return self._asking(found.prefix, found.last)

    def arm(self, found: _Found) -> Arm:
        """What was found as an arm."""
        final, least = found.end
        before = () if found.prefix is None else zip(found.prefix.arms, found.prefix.stages, strict=True)
        stages = [*before, (found.last, Stage(self._names[found.last]))]
        # A stage carries only what its rules read.
        always = final == "most_confident" or least > 0
        told = [
            replace(stage, confidence=self._confidences[arm])
            if always or (stage.stop == "confidence" and place < len(stages) - 1)
            else stage
            for place, (arm, stage) in enumerate(stages)
        ]
        return cascade_arm(tuple(told), final, answers_at=least)

    def _asking(self, prefix: _Prefix, arm: int) -> list[_Prefix]:
        arms, cells, weights = (*prefix.arms, arm), prefix.cells, self._weights[prefix.cells]
        here = self._signs.take(arms, cells)
        cost = prefix.cost + self._costs[arm, cells] @ weights
        longer: dict[bytes, _Prefix] = {}
        for stage in self._rules(arm, len(arms)):
            stages = (*prefix.stages, stage)
            ended = stops(stages, here)
            if ended.all() or (not ended.any() and stage.stop != "always"):
                continue
            done = dict(prefix.done)
            for final in self._finals:
                said = np.array(arms)[final_of(stages, here, final)[ended]], cells[ended]
                told = (self._scores[said], self._signs.answered[said], self._signs.sure[said])
                for least in self._least:
                    done[final, least] = done[final, least] + self._standing(least, *told) @ weights[ended]
            longer.setdefault(np.packbits(ended).tobytes(), _Prefix(arms, stages, cells[~ended], cost, done))
        return list(longer.values())

    def _rules(self, arm: int, length: int) -> Iterator[Stage]:
        """The simplest rules first: of those that stop alike the first is kept."""
        name = self._names[arm]
        if not self._signs.answered[arm].all():
            yield Stage(name, stop="answered")
        if self._knows and length > 1:
            yield Stage(name, stop="agrees")
        if self._knows and length < STAGES - 1:
            yield Stage(name, stop="always")
        said = self._signs.sure[arm]
        said = said[np.isfinite(said)]
        if len(said) and self._gates[arm]:
            for sure in np.unique(np.quantile(said, _LEVELS)):
                yield Stage(name, float(sure))

    def _values(self, prefix: _Prefix, others: Sequence[int]) -> Iterator[tuple[_End, Floats]]:
        """By what decides the answer, (others, cells): what it scores where each of the others was asked last."""
        cells = prefix.cells
        before, now = self._signs.take(prefix.arms, cells), self._signs.take(others, cells)
        scores, numbers = self._scores[others][:, cells], np.array(prefix.arms)
        for final, (wins, stage) in self._stands(prefix, before, now).items():
            kept = numbers[stage], cells
            score = np.where(wins, scores, self._scores[kept])
            for least in self._least:
                if least:
                    answered = np.where(wins, now.answered, self._signs.answered[kept])
                    sure = np.where(wins, now.sure, self._signs.sure[kept])
                    yield (final, least), self._standing(least, score, answered, sure)
                else:
                    yield (final, least), score

    def _stands(self, prefix: _Prefix, before: Signs, now: Signs) -> dict[FinalRule, tuple[Bools, Ints]]:
        """By final rule: (others, cells) where the new stage's answer stands, and (cells,) which one does elsewhere."""

        def kept(stage: Ints, signs: NDArray[Any]) -> NDArray[Any]:
            return np.asarray(np.take_along_axis(signs, stage[None], axis=0)[0])

        stage = final_of(prefix.stages, before, "last")
        last = now.gave | ~kept(stage, before.gave)
        found: dict[FinalRule, tuple[Bools, Ints]] = {"last": (last, stage)}
        least = np.array([s.sure if s.stop == "confidence" else -np.inf for s in prefix.stages])
        sure = (before.answered & (before.sure >= least[:, None])).any(axis=0)
        found["first_sure"] = last & ~sure, final_of(prefix.stages, before, "first_sure")
        answered = before.answered.any(axis=0)
        if "plurality" in self._finals:
            stage = final_of(prefix.stages, before, "plurality")
            votes = sum((before.answers[s] == now.answers) & before.answered[s] for s in range(len(prefix.arms)))
            most = sum(
                (before.answers[s] == kept(stage, before.answers)) & before.answered[s] for s in range(len(prefix.arms))
            )
            found["plurality"] = (now.answered & (votes + 1 >= most)) | (~answered & last), stage
        if "most_confident" in self._finals:
            stage = final_of(prefix.stages, before, "most_confident")
            surer = now.answered & (now.sure >= np.where(answered, kept(stage, before.sure), -np.inf))
            found["most_confident"] = surer | (~answered & last), stage
        return found

    def _standing(self, least: float, scores: Floats, answered: Bools, sure: Floats) -> Floats:
        """Scores of answers, 0 for those that are not sure enough to stand."""
        return np.where(answered & ~(sure >= least), 0.0, scores) if least else scores


def _foretold(table: Table, learned: FittedConfidences) -> Floats:
    """(questions, arms, replicates): what a search values answers at.

    Where wrong answers cost something, half of that is what they are worth by their confidence (learned from other
    questions): an answer that came right by luck is worth less, so that lists which are lucky here are not preferred.
    """
    if not table.wrong_costs:
        return table.scores
    by_confidence = learned.held_out * (1 + table.wrong_costs) - table.wrong_costs
    calibrated = np.array([arm.name in learned.arms for arm in table.arms])[:, None]
    known = calibrated & np.isfinite(by_confidence)
    return np.where(known, (1 - _BY_CONFIDENCE) * table.scores + _BY_CONFIDENCE * by_confidence, table.scores)


def _promising(found: Sequence[_Found], grown: Sequence[_Found]) -> list[_Found]:
    """Those of the newest lists that are worth most at any of several prices, each once whatever its final rule."""
    costs, scores = np.stack([each.cost for each in found]), np.stack([each.score for each in found])
    new_costs, new_scores = np.stack([each.cost for each in grown]), np.stack([each.score for each in grown])
    kept: dict[tuple[int, int], _Found] = {}
    for group in range(costs.shape[1]):
        count, each = _BEAM[min(group, 1)]
        corners = hull(costs[:, group], scores[:, group])
        slopes = np.diff(scores[corners, group]) / np.diff(costs[corners, group])
        prices = np.geomspace(slopes.min() / 2, slopes.max() * 2, count) if len(slopes) else np.zeros(1)
        for price in prices:
            worth = new_scores[:, group] - price * new_costs[:, group]
            # Several finals of one list are one list here.
            first = np.argsort(-worth, kind="stable")[: each * _ENDS]
            taken: set[tuple[int, int]] = set()
            for i in first.tolist():
                key = (id(grown[i].prefix), grown[i].last)
                if len(taken) < each and key not in taken:
                    taken.add(key)
                    kept.setdefault(key, grown[i])
    return list(kept.values())
