from __future__ import annotations

import numpy as np
import pytest

from apportion.optimizers.analysis.template_gain import template_gain
from apportion.optimizers.tables.split import lesson_from
from apportion.optimizers.tables.table import Arm, Question, Table

WORDS = [a + b for a in ("bar", "con", "del", "fen", "gal", "hor", "jun", "kel") for b in ("tor", "min", "sap", "wex")]


def table(each: int, families: bool = False) -> Table:
    """Sixty templates or so; on half of them the second arm is right, and their family says so where there are any."""
    draws = np.random.default_rng(1)
    count = 240 // each
    right = draws.permutation(count) % 2
    texts = [" ".join(draws.choice(WORDS, size=9)) for _ in range(count)]
    questions = tuple(
        Question(f"q{n}", f"{texts[n // each]} {n}?", f"f{right[n // each]}" if families else "") for n in range(240)
    )
    of = right[np.arange(240) // each]
    chances = np.where(of[:, None] == np.arange(2), 0.95, 0.2)
    scores = (draws.random((240, 2)) < chances).astype(float)
    return Table(questions, (Arm("a"), Arm("b")), scores[:, :, None], np.ones((240, 2, 1)))


def test_a_gain_of_templates_known_by_heart_is_seen_through() -> None:
    found = template_gain([(lesson_from(table(5), 1.1), None)])
    assert found is not None
    assert (found.questions, found.clusters, found.clustered) == (240, 48, 240)
    assert found.at_random.low > 0.03
    assert abs(found.together.mean) < 0.02
    assert found.differs
    assert found.learned_by_heart


def test_a_gain_that_is_told_by_more_than_the_template_stays() -> None:
    found = template_gain([(lesson_from(table(5, families=True), 1.1), None)])
    assert found is not None
    assert found.together.low > 0.1
    assert not found.learned_by_heart


def test_without_clusters_there_is_nothing_to_compare() -> None:
    assert template_gain([(lesson_from(table(1), 1.1), None)]) is None
    assert template_gain([]) is None


@pytest.mark.parametrize("count", [4, 5, 8])
def test_too_few_questions_are_not_compared(count: int) -> None:
    few = table(5).take(np.arange(count))
    assert template_gain([(lesson_from(few, 1.1), None)]) is None
