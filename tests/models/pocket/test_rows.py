"""Arrays that say of each row what its job would say."""

from __future__ import annotations

import numpy as np

from apportion.models.pocket.rows import Rows


def test_rows_give_what_was_placed_and_count_on() -> None:
    rows = Rows(4, 16)
    rows.place(0, 5, 0.0, 1.0, np.empty(0))
    rows.place(1, 7, 0.5, 1.0, np.array([0.1, 0.2, 0.3]))

    temperatures, draws, top_p = rows.choosing(0, 2)
    assert temperatures.tolist() == [0.0, 0.5]
    assert draws[1] == 0.1
    assert top_p is None

    rows.write(0, np.array([11, 12]))
    tokens, before = rows.read(2)
    assert tokens.tolist() == [[11], [12]]
    assert before.tolist() == [5, 7]
    assert rows.choosing(1, 1)[1].tolist() == [0.2]
    assert rows.read(2)[1].tolist() == [6, 8]


def test_a_share_below_one_is_given_for_all_rows() -> None:
    rows = Rows(2, 8)
    rows.place(0, 1, 1.0, 1.0, np.zeros(4))
    rows.place(1, 1, 1.0, 0.5, np.zeros(4))

    shares = rows.choosing(0, 2)[2]

    assert shares is not None
    assert shares.tolist() == [1.0, 0.5]
    assert rows.choosing(0, 1)[2] is None


def test_a_moved_job_goes_on_where_it_was_and_a_new_one_starts_anew() -> None:
    rows = Rows(3, 8)
    rows.place(0, 2, 1.0, 1.0, np.array([0.9, 0.8]))
    rows.place(2, 6, 0.7, 0.4, np.array([0.1, 0.2]))
    rows.write(0, np.array([3, 4, 5]))

    rows.move(2, 0)
    rows.place(2, 1, 0.0, 1.0, np.empty(0))

    temperatures, draws, top_p = rows.choosing(0, 1)
    assert (temperatures.tolist(), draws.tolist()) == ([0.7], [0.2])
    assert top_p is not None
    assert top_p.tolist() == [0.4]
    tokens, before = rows.read(3)
    assert (tokens[0, 0], before[0], before[2]) == (5, 6, 1)
