from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.errors import UsageError
from apportion.optimizers.tables.cascades import cascade_arm, replay, with_cascades
from apportion.optimizers.tables.confidence import Confidence
from apportion.optimizers.tables.table import UNANSWERED, Arm, Lesson, Question, Stage, Table, joined
from apportion.optimizers.tables.value import Shares, checked_wrong_costs, scored, valued

LONG = Confidence(0.0, (np.log1p(100.0), 0.0, 0.0), (1.0, 1.0, 1.0), (-1.0, 0.0, 0.0))


def table() -> Table:
    """Right, wrong, half right, abstained, nothing came back."""
    return Table(
        tuple(Question(str(n), "?") for n in range(5)),
        (Arm("a"),),
        np.array([1.0, 0.0, 0.5, 0.0, 0.0])[:, None, None],
        np.ones((5, 1, 1)),
        answers=np.array([0, 1, 2, -1, -1])[:, None, None],
        abstained=np.array([0.0, 0.0, 0.0, 1.0, 0.0])[:, None, None],
        thinking_tokens=np.array([10.0, 1000.0, 1000.0, 10.0, 10.0])[:, None, None],
    )


def test_a_wrong_answer_costs_and_none_does_not() -> None:
    assert valued(table(), 2.0).scores.ravel().tolist() == [1.0, -2.0, -0.5, 0.0, 0.0]
    assert valued(table(), 2.0).right.ravel() == pytest.approx([1.0, 0.0, 0.5, 0.0, 0.0])


def test_for_nothing_the_table_is_the_same() -> None:
    plain = table()
    assert valued(plain, 0.0) is plain


def test_values_are_kept_and_not_priced_twice() -> None:
    priced = valued(table(), 1.0)
    assert valued(priced, 1.0) is priced
    for same in (priced.take(np.array([0, 1])), joined(priced, priced), with_cascades(priced, ())):
        assert same.wrong_costs == 1.0
    with pytest.raises(UsageError, match="already"):
        valued(priced, 2.0)
    with pytest.raises(UsageError, match="alike"):
        Lesson(priced, table(), 1.0)
    assert Lesson(priced, priced, 1.0).wrong_costs == 1.0


@pytest.mark.parametrize("price", [-1.0, float("nan"), float("inf"), -float("inf"), 1e9, True, "2", None])
def test_what_cannot_be_a_price_is_refused(price: object) -> None:
    with pytest.raises(UsageError, match="wrong_costs must be"):
        checked_wrong_costs(price)  # type: ignore[arg-type]


def test_shares_say_what_became_of_all() -> None:
    plain = table()
    every = Shares.of(replay(plain.arms, plain), np.zeros((5, 1), np.intp))
    assert (every.right, every.wrong, every.abstained, every.unanswered) == pytest.approx((0.3, 0.3, 0.2, 0.2))
    some = Shares.of(replay(plain.arms, plain), np.array([[UNANSWERED], [UNANSWERED], [0], [0], [0]]))
    assert (some.right, some.wrong, some.abstained, some.unanswered) == pytest.approx((0.1, 0.1, 0.2, 0.6))


def test_what_is_not_sure_enough_is_paid_and_unanswered() -> None:
    alone = cascade_arm((Stage("a", confidence=LONG),), answers_at=0.5)
    found = replay([alone], valued(table(), 1.0))
    assert found.scores.ravel().tolist() == [1.0, 0.0, 0.0, 0.0, 0.0]
    assert found.costs.ravel().tolist() == [1.0] * 5
    assert found.answered.ravel().tolist() == [True, False, False, False, False]
    assert found.abstained.ravel().tolist() == [False, False, False, True, False]
    assert alone.name != cascade_arm((Stage("a", confidence=LONG),)).name != cascade_arm((Stage("a"),)).name
    with pytest.raises(UsageError, match="thinking_tokens"):
        replay([alone], replace(table(), thinking_tokens=None))


@given(
    st.lists(st.tuples(st.floats(0, 1), st.integers(-1, 2), st.sampled_from([0.0, 1.0, np.nan])), min_size=1),
    st.floats(0, 100),
)
def test_the_value_is_what_is_right_less_what_is_wrong(cells: list[tuple[float, int, float]], price: float) -> None:
    scores, answers, abstained = (np.array(each)[:, None, None] for each in zip(*cells, strict=True))
    graded = np.where((answers < 0) | (abstained == 1), 0.0, scores)
    plain = Table(
        tuple(Question(str(n), "?") for n in range(len(cells))),
        (Arm("a"),),
        graded,
        np.ones(graded.shape),
        answers=answers,
        abstained=abstained,
    )
    priced = valued(plain, price)
    shares = Shares.of(replay(priced.arms, priced), np.zeros((len(cells), 1), np.intp))
    assert sum(shares.model_dump().values()) == pytest.approx(1.0)
    assert priced.scores.mean() == pytest.approx(shares.right - price * shares.wrong, abs=1e-9 * (1 + price))
    assert shares.right == pytest.approx(plain.scores.mean(), abs=1e-9)


def test_values_become_scores_again() -> None:
    assert scored(valued(table(), 2.0)).scores == pytest.approx(table().scores)
    assert scored(valued(table(), 2.0)).wrong_costs == 0.0
    assert scored(table()).scores is not None


def test_an_answer_as_sure_as_it_must_be_stands() -> None:
    alone = cascade_arm((Stage("a"),), answers_at=0.5)
    sure = np.array([0.5, 0.5 - 1e-12, 0.5, 0.9, 0.9])[:, None, None]
    found = replay([alone], valued(replace(table(), confidences=sure), 1.0))
    assert found.answered.ravel().tolist() == [True, False, True, False, False]
