from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from apportion.optimizers.policies.correction_search import SHARES, corrected, with_lists
from apportion.optimizers.tables.cascades import cascade_arm, with_cascades
from apportion.optimizers.tables.table import Arm, Question, Stage, Table

LIST = cascade_arm((Stage("a", stop="always"), Stage("b", stop="agrees"), Stage("c")))
"""Where the first two differ it asks c, also where c is of no use."""


def table(count: int, seed: int, *, noise: bool = False) -> Table:
    """Three kinds: both right; the first abstains, where only c is right; the two differ, where only d is right."""
    draw = np.random.default_rng(seed)
    kind = draw.integers(0, 3, count)
    answers = np.array([[0, 0, 0, 0], [-1, 1, 0, 2], [1, 2, 3, 0]])[kind]
    abstained = np.zeros((count, 4))
    abstained[:, 0] = kind == 1
    scores = (answers == 0).astype(np.float64)
    if noise:
        scores = (draw.random((count, 4)) < 0.5).astype(np.float64)
    return Table(
        tuple(Question(f"{seed}-{i}", "?", "fg"[i % 2]) for i in range(count)),
        tuple(Arm(name) for name in "abcd"),
        scores[:, :, None],
        np.tile([1.0, 1.0, 8.0, 8.0], (count, 1))[:, :, None],
        answers=answers[:, :, None],
        abstained=abstained[:, :, None],
    )


def test_a_list_is_left_where_another_arm_is_the_right_one() -> None:
    known = table(150, 1)
    for share, (found,) in corrected(known, [LIST]).items():
        asked = {each.arm for each in found.corrections}
        if share == 0:
            assert not asked
        elif share >= 0.5:
            assert "d" in asked
            (column,) = with_lists(table(300, 2), [found], 1.0).mean_scores[:, 4:].T
            (plain,) = with_cascades(table(300, 2), [LIST]).mean_scores[:, 4:].T
            assert column.mean() > plain.mean() + 0.2


def test_from_noise_little_is_learned_and_nothing_at_a_small_share() -> None:
    counts = dict.fromkeys(SHARES, 0)
    for seed in range(8):
        for share, (found,) in corrected(table(150, seed, noise=True), [LIST]).items():
            counts[share] += len(found.corrections)
    assert counts[0.0] == counts[0.25] == 0
    assert counts[0.5] <= 4
    assert counts[0.5] <= counts[1.0]


def test_a_look_that_is_not_worth_its_price_is_left_out() -> None:
    """The list asks a dear arm that is as good as the answer before; at any price but 0 stopping is worth more."""
    known = table(150, 1)
    same = np.repeat(known.scores[:, :1], 4, axis=1)
    useless = Table(known.questions, known.arms, same, known.costs, answers=known.answers, abstained=known.abstained)
    cheap = Arm("cheaper")
    better = Table(
        known.questions,
        (*known.arms, cheap),
        np.concatenate([same * 0.5, np.ones((150, 1, 1))], axis=1),
        np.concatenate([known.costs, np.full((150, 1, 1), 60.0)], axis=1),
        answers=np.concatenate([known.answers, np.full((150, 1, 1), 9)], axis=1),
        abstained=np.concatenate([known.abstained, np.zeros((150, 1, 1))], axis=1),
    )
    assert not any(each.corrections for each in corrected(useless, [LIST])[1.0]), "without a price nothing is gained"
    (found,) = corrected(better, [LIST])[1.0]
    assert any(not each.arm or each.arm == "cheaper" for each in found.corrections)


def test_columns_of_lists_are_those_of_cascades_where_nothing_is_corrected() -> None:
    known = table(40, 3)
    lists = corrected(known, [LIST])[0.0]
    columns, plain = with_lists(known, lists, 1.0), with_cascades(known, [LIST])
    assert columns.arms == plain.arms
    np.testing.assert_array_equal(columns.scores, plain.scores)
    np.testing.assert_array_equal(columns.costs, plain.costs)
    assert with_lists(known, [], 1.0) is known


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_of_what_corrections_gain_a_share_is_believed_but_all_of_what_they_cost(share: float) -> None:
    known = table(150, 1)
    lists = corrected(known, [LIST])[1.0]
    part, whole, plain = with_lists(known, lists, share), with_lists(known, lists, 1.0), with_cascades(known, [LIST])
    expected = (1 - share) * plain.scores[:, 4] + share * whole.scores[:, 4]
    np.testing.assert_allclose(part.scores[:, 4], expected)
    np.testing.assert_array_equal(part.costs[:, 4], whole.costs[:, 4])


def test_tables_of_few_questions_teach_nothing() -> None:
    for count in (1, 2, 11):
        assert not any(lists[0].corrections for lists in corrected(table(count, 0), [LIST]).values())


@pytest.mark.parametrize(("price", "asked"), [(8.0, True), (1000.0, False)])
def test_another_arm_is_asked_where_it_is_worth_its_price(price: float, asked: bool) -> None:
    known = table(150, 1)
    costs = known.costs.copy()
    costs[:, 3] = price
    (found,) = corrected(replace(known, costs=costs), [LIST])[1.0]
    assert any(each.arm == "d" for each in found.corrections) == asked


def test_what_holds_for_all_families_is_learned_once() -> None:
    (found,) = corrected(table(400, 1), [LIST])[1.0]
    assert found.corrections
    assert {each.family for each in found.corrections} == {None}
