from __future__ import annotations

import numpy as np
import pytest

from apportion.optimizers.search.paid_calls import PaidCalls

PRICES = np.array([0.0, 10.0, 100.0])


def calls(*, gated: bool) -> PaidCalls:
    made = PaidCalls(gated=gated)
    made.widen(3, 4)
    return made


def unpaid(made: PaidCalls, item: int, draws: int, tasks: int, share: float = 1.0) -> float:
    given = np.array([[item]]), np.array([[draws]]), np.array([[share]])
    return float(made.unpaid(*given, np.array([tasks]), PRICES)[0])


def met(made: PaidCalls, item: int, draws: int, tasks: int, share: float = 1.0) -> None:
    made.note(np.array([item]), np.array([draws]), np.array([share]), tasks)


@pytest.mark.parametrize("gated", [False, True])
def test_what_was_asked_before_is_not_paid_again(gated: bool) -> None:
    made = calls(gated=gated)
    assert unpaid(made, 1, 3, 20) == 600
    met(made, 1, 1, 20)
    assert unpaid(made, 1, 3, 20) == 400
    met(made, 1, 3, 10)
    assert unpaid(made, 1, 3, 20) == 200
    assert unpaid(made, 2, 1, 20) == 2000
    assert made.total(PRICES) == pytest.approx(400)
    free = made.free(np.array([[1], [2], [0]]), np.array([[1], [1], [0]]), np.ones((3, 1)), 77)
    assert free.tolist() == [20, 0, 77]


def test_a_gated_node_pays_for_the_share_on_which_it_runs() -> None:
    made = calls(gated=True)
    assert unpaid(made, 1, 1, 100, 0.25) == pytest.approx(250)
    assert unpaid(made, 1, 1, 100, 0.0) == 0.0
    met(made, 1, 1, 100, 0.25)
    assert unpaid(made, 1, 1, 100, 0.25) == 0.0
    # With the gate always open, the rest is paid; on fewer tasks, the rest of these.
    assert unpaid(made, 1, 1, 100) == pytest.approx(750)
    assert unpaid(made, 1, 1, 40) == pytest.approx(300)
    assert made.free(np.array([[1]]), np.array([[1]]), np.array([[0.25]]), 177).tolist() == [100]
    assert made.free(np.array([[1]]), np.array([[1]]), np.array([[1.0]]), 177).tolist() == [0]


def test_with_a_gate_that_opens_more_often_the_rarer_one_is_free() -> None:
    made = calls(gated=True)
    met(made, 1, 1, 30)
    assert unpaid(made, 1, 1, 30, 0.6) == 0.0
    assert made.total(PRICES) == pytest.approx(300)


def test_a_copy_and_more_room_leave_what_was_noted() -> None:
    made = calls(gated=True)
    met(made, 1, 1, 30)
    other = made.copy()
    other.widen(8, 2)
    met(other, 7, 1, 5)
    assert made.total(PRICES) == other.total(np.pad(PRICES, (0, 5)))
    other.clear()
    assert made.total(PRICES) == pytest.approx(300)
    assert other.total(np.pad(PRICES, (0, 5))) == 0.0
