from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from apportion.optimizers.policies.cascade_search import _Search, find_cascades, find_cascades_for
from apportion.optimizers.tables.cascades import outcomes_of
from apportion.optimizers.tables.table import Arm, Question, Table
from apportion.optimizers.tables.value import valued


def world(questions: int = 400, *, agree: bool = False, seed: int = 0) -> Table:
    """A cheap arm that knows when it does not know, or two cheap ones that agree only where they are right; and a dear
    one that is mostly right."""
    generator = np.random.default_rng(seed)
    easy = generator.random(questions) < 0.5
    answers = np.zeros((questions, 3), np.intp)
    answers[:, 0] = np.where(easy, 0, 1)
    answers[:, 1] = np.where(easy, 0, 2)
    answers[:, 2] = np.where(generator.random(questions) < 0.9, 0, 3)
    abstained = np.zeros((questions, 3))
    if not agree:
        abstained[:, 0] = ~easy
    scores = (answers == 0) & (abstained == 0)
    return Table(
        tuple(Question(str(n), "?", "even" if n % 2 else "odd") for n in range(questions)),
        (Arm("cheap"), Arm("other"), Arm("dear")),
        scores.astype(np.float64)[:, :, None],
        np.broadcast_to(np.array([1.0, 1.5, 20.0])[:, None], (questions, 3, 1)),
        answers=np.where(abstained == 1, -1, answers)[:, :, None],
        abstained=abstained[:, :, None],
    )


def test_it_finds_the_list_that_was_planted() -> None:
    found = find_cascades(world())
    assert (("cheap", "answered"), ("dear", "confidence")) in [
        tuple((stage.arm, stage.stop) for stage in arm.stages) for arm in found
    ]


def test_it_finds_that_two_who_agree_are_right() -> None:
    table = world(agree=True)
    found = find_cascades(table)
    best = max(found, key=lambda arm: float(outcomes_of([arm], table)[0].mean()))
    assert {stage.arm for stage in best.stages[:-1]} == {"cheap", "other"}
    assert best.stages[1].stop == "agrees"


@pytest.mark.parametrize("stages", [2, 3, 4])
def test_what_it_promises_is_what_comes_of_it(stages: int) -> None:
    """Cheapest first, on a rising hull above the single arms, no longer than asked for."""
    generator = np.random.default_rng(1)
    shape = (120, 6, 2)
    quality = np.linspace(0.2, 0.7, 6)[None, :, None]
    scores = (generator.random(shape) < quality).astype(np.float64)
    table = Table(
        tuple(Question(str(n), "?") for n in range(120)),
        tuple(Arm(f"m{n}") for n in range(6)),
        scores,
        np.broadcast_to(2.0 ** np.arange(6)[:, None], shape) * (1 + 0.1 * generator.random(shape)),
        confidences=np.where(generator.random(shape) < 0.1, np.nan, 0.4 * scores + 0.6 * generator.random(shape)),
        answers=np.where(scores > 0, 0, generator.integers(1, 4, shape)),
        abstained=((scores == 0) & (generator.random(shape) < 0.3)).astype(np.float64),
    )
    found = find_cascades(table, stages=stages, most=5)
    assert 0 < len(found) <= 5
    assert all(2 <= len(arm.stages) <= stages for arm in found)
    reached, paid = (values.mean(axis=(0, 2)) for values in outcomes_of(found, table))
    assert (np.diff(paid) > 0).all()
    assert (np.diff(reached) > 0).all()
    single = [(table.costs[:, n].mean(), table.scores[:, n].mean()) for n in range(6)]
    for cost, score in zip(paid, reached, strict=True):
        assert all(score > theirs for paid_too, theirs in single if paid_too <= cost)


def test_groups_of_one_search_have_lists_of_their_own() -> None:
    table = world()
    weights = np.column_stack([np.ones(400), (np.arange(400) % 2).astype(np.float64)])
    whole, even = find_cascades_for(table, weights)
    assert whole == find_cascades(table)
    assert even


def test_without_anything_to_stop_on_there_are_none() -> None:
    bare = Table((Question("q", "?"),), (Arm("a"), Arm("b")), np.ones((1, 2, 1)), np.ones((1, 2, 1)))
    assert find_cascades(bare) == ()


def unsure(questions: int = 600, seed: int = 0) -> Table:
    """Two arms that are as often wrong as right, and think longer where they are wrong."""
    draws = np.random.default_rng(seed)
    right = draws.random((questions, 2, 1)) < 0.5
    thinking = np.exp(np.where(right, 4.0, 6.0) + draws.normal(size=right.shape))
    return Table(
        tuple(Question(str(n), "?") for n in range(questions)),
        (Arm("cheap"), Arm("dear")),
        right.astype(np.float64),
        np.broadcast_to(np.array([1.0, 5.0])[:, None], right.shape),
        thinking_tokens=thinking,
        output_tokens=thinking + 10,
        answers=np.where(right, 0, 1 + draws.integers(5, size=right.shape)),
    )


def test_where_wrong_answers_cost_something_one_arm_may_withhold_its_answer() -> None:
    table = valued(unsure(), 1.0)
    found = find_cascades(table)
    alone = [arm for arm in found if len(arm.stages) == 1]
    assert [arm.stages[0].arm for arm in alone] == ["cheap"]
    assert alone[0].answers_at == 0.5
    fresh = valued(unsure(seed=1), 1.0)
    assert abs(outcomes_of([Arm("cheap")], fresh)[0].mean()) < 0.1
    assert outcomes_of(alone, fresh)[0].mean() > 0.25
    best = max(found, key=lambda arm: float(outcomes_of([arm], fresh)[0].mean()))
    assert outcomes_of([best], fresh)[0].mean() > outcomes_of(alone, fresh)[0].mean() + 0.1


def test_for_nothing_every_answer_stands() -> None:
    for arm in find_cascades(unsure()):
        assert len(arm.stages) > 1
        assert arm.answers_at == 0


def test_what_is_withheld_is_found_as_it_is_replayed() -> None:
    """Prices and values along the hull rise, and no list is worth less than leaving all unanswered."""
    table = valued(unsure(300), 3.0)
    found = find_cascades(table)
    scores, costs = (each.mean(axis=(0, 2)) for each in outcomes_of(found, table))
    assert (np.diff(costs) > 0).all()
    assert (scores > -0.02).all()
    assert {arm.answers_at for arm in found} <= {0.0, 0.75}


def test_rules_on_confidence_are_for_lists_of_which_somebody_says_how_sure_it_is() -> None:
    """Only one of three arms shows anything; what is found of the others runs on the same table."""
    table = world(400)
    table = replace(table, questions=tuple(replace(question, family="") for question in table.questions))
    tokens = np.full(table.scores.shape, np.nan)
    draws = np.random.default_rng(0).normal(size=400)
    tokens[:, 2, 0] = np.exp(4 - 2 * table.scores[:, 2, 0] + draws)
    for price in (0.0, 3.0):
        shown = valued(replace(table, thinking_tokens=tokens), price)
        search = _Search(shown, np.ones((400, 1)))
        lists = [each for prefix in search.begin() for each in search.extended(prefix)]
        assert lists
        for arm in map(search.arm, lists):
            outcomes_of([arm], shown)
            if arm.final == "most_confident" or arm.answers_at:
                assert any(stage.confidence for stage in arm.stages)


@pytest.mark.parametrize("price", [0.0, 1.0])
def test_no_list_is_tried_by_confidences_that_none_of_its_arms_has(price: float) -> None:
    """Of four arms one shows something. The latest answer of the others would be called their most confident one, and
    none would be sure enough, which is worth more than answers that are mostly wrong."""
    draws = np.random.default_rng(0)
    answers = draws.integers(-1, 4, (300, 4, 1))
    tokens = np.full(answers.shape, np.nan)
    tokens[:, 3] = np.exp(np.where(answers[:, 3] == 0, 4.0, 6.0) + draws.normal(size=(300, 1)))
    table = Table(
        tuple(Question(str(n), "?") for n in range(300)),
        tuple(Arm(f"m{n}") for n in range(4)),
        (answers == 0).astype(np.float64),
        np.broadcast_to(2.0 ** np.arange(4)[:, None], answers.shape),
        answers=answers,
        thinking_tokens=tokens,
    )
    search = _Search(valued(table, price), np.ones((300, 1)))
    found, beam = list(search.singles()), search.begin()
    for _ in range(2):
        grown = [each for prefix in beam for each in search.extended(prefix)]
        found, beam = found + grown, [prefix for each in grown for prefix in search.asking(each)][:200]
    by_confidence = [each for each in found if each.end[0] == "most_confident" or each.end[1] > 0]
    asked = [{each.last, *(() if each.prefix is None else each.prefix.arms)} for each in by_confidence]
    assert asked
    assert all(3 in arms for arms in asked)


def test_tokens_alone_end_no_list() -> None:
    """They say which answer stands, and whether it does."""
    found = find_cascades(unsure())
    assert found
    assert all(stage.stop != "confidence" for arm in found for stage in arm.stages[:-1])
    assert any(arm.final == "most_confident" for arm in found)
