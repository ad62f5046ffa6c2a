"""Whether what is gained by reading questions is gained on templates that were not seen before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ..arrays import Floats
from ..bootstrap import Interval, mean_interval, within_one_error
from ..finding import Finding
from ..policies.learned import SHARES
from ..policies.planning import planning_costs
from ..prediction.predictor import Predictor, cross_fitted, fit_predictor
from ..tables.knapsack import allocate
from ..tables.split import lesson_from
from ..tables.table import Lesson, Table, joined
from .gain import mixture_at

__all__ = ["TemplateGain", "template_gain"]

_FEWEST = 4
"""Questions of a part; with fewer nothing can be learned."""


class TemplateGain(Finding):
    """What choosing arms by question gains over mixing them blindly at the same cost, by how questions are held out.

    The choice is that of `joint_up_front`, on forecasts that did not learn from the question. Policies that read no
    text gain the same either way.
    """

    questions: int
    clusters: int
    """Groups of questions of one template or source."""
    clustered: int
    """Questions in these."""
    at_random: Interval
    """Where each question is held out by itself: others of its template are learned from."""
    together: Interval
    """Where clusters are held out whole."""
    difference: Interval
    """The first less the second, paired by question."""

    @property
    def differs(self) -> bool:
        """Whether the two can be told apart."""
        return self.difference.low > 0 or self.difference.high < 0

    @property
    def learned_by_heart(self) -> bool:
        """Whether there is a gain at random, and none where clusters stay together."""
        return self.at_random.low > 0 and self.together.low <= 0 and self.difference.low > 0


def template_gain(lessons: Sequence[tuple[Lesson, Predictor | None]], *, seed: int = 0) -> TemplateGain | None:
    """Compares the gain of choosing by question with random folds and with folds that keep clusters together.

    Args:
        lessons: each of `lessons_from`, with the predictor of its plans where that is at hand; one without a probe.
        seed: of the folds and intervals.

    Returns:
        None where all questions stand alone, or there are too few to compare.
    """
    tables = [joined(lesson.fit, lesson.validation) for lesson, _ in lessons]
    names = Counter(name for table in tables for name in table.clusters or () if name)
    usable = [
        (table, *each)
        for table, each in zip(tables, lessons, strict=True)
        if min(len(each[0].fit.questions), len(each[0].validation.questions)) >= _FEWEST
    ]
    if not names or not usable:
        return None
    together = np.concatenate([_gained(table, lesson, predictor) for table, lesson, predictor in usable])
    apart = []
    for table, lesson, _ in usable:
        scattered = lesson_from(table, lesson.budget, seed=lesson.seed, together=False)
        whole = joined(scattered.fit, scattered.validation)
        gains = _gained(whole, scattered, None)
        places = {question.name: place for place, question in enumerate(whole.questions)}
        apart.append(gains[[places[question.name] for question in table.questions]])
    at_random = np.concatenate(apart)
    return TemplateGain(
        questions=len(together),
        clusters=len(names),
        clustered=sum(names.values()),
        at_random=mean_interval(at_random, seed=seed),
        together=mean_interval(together, seed=seed),
        difference=mean_interval(at_random - together, seed=seed),
    )


def _gained(table: Table, lesson: Lesson, predictor: Predictor | None) -> Floats:
    """(questions,): the score of the choice less that of the mixture at its cost.

    Of the shares of what is known of a question the least within one standard error of the best is taken, as
    `JointSafe` does, so that no gain is made of noise.
    """
    if predictor is None or predictor.probe is not None or predictor.arms != table.arms:
        predictor = fit_predictor(lesson, probes=False)
    whole = Lesson(table, table.take(np.arange(0)), lesson.budget, lesson.seed)
    found = cross_fitted(whole, predictor.shrunk(1.0))
    costs, everyone = planning_costs(found.costs, found.high), np.arange(len(table.questions))
    served = []
    for share in sorted(SHARES):
        scores = share * found.scores + (1 - share) * predictor.arm_scores
        chosen = allocate(scores, costs, lesson.budget * len(everyone))
        cost = float(table.mean_costs[everyone, chosen].mean())
        served.append(table.mean_scores[everyone, chosen] - mixture_at(table, cost))
    best = max(served, key=lambda gains: float(gains.mean()))
    return next(gains for gains in served if within_one_error(best - gains))
