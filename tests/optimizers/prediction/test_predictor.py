from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from apportion.errors import UnknownName, UsageError
from apportion.optimizers.arrays import Floats
from apportion.optimizers.prediction.heads.clusters import ClusterHead
from apportion.optimizers.prediction.heads.registry import HEADS
from apportion.optimizers.prediction.predictor import Predictor, cross_fitted, fit_predictor
from apportion.optimizers.tables.knapsack import allocate
from apportion.optimizers.tables.table import Arm, Batch, Lesson, Probe, Question, Table, joined
from apportion.optimizers.tables.value import valued

ARMS = tuple(
    Arm(f"{model}{effort}", (("solve", model),), json.dumps({"effort": effort}))
    for model in ("sums", "words")
    for effort in (1, 4)
)
BUDGET = 60.0


def table(count: int, seed: int, *, told: bool = True, probe_cost: float = 1.0) -> tuple[Table, Floats]:
    """Sums and words; each model is good at one of them, and effort pays on long questions. With it, the true chances.

    Where `told` is false the texts say nothing; the probe then is all that does.
    """
    draws = np.random.default_rng(seed)
    steps, kind = draws.integers(1, 6, count), draws.integers(0, 2, count)
    numbers, words = draws.integers(10, 99, (count, 6)), np.array(["north", "south", "river", "stone"])
    texts = [
        "+".join(map(str, numbers[i, : steps[i] + 1])) + "="
        if kind[i] == 0
        else "where is " + " ".join(words[draws.integers(0, 4, steps[i])])
        for i in range(count)
    ]
    good = np.stack([kind == 0, kind == 0, kind == 1, kind == 1], axis=1)
    logits = 3.0 * good - 1.0 - 0.6 * steps[:, None] + np.array([0, 1.6, 0, 1.6])
    chances = 1 / (1 + np.exp(-logits))
    costs = np.array([10.0, 40.0, 12.0, 48.0]) * steps[:, None] * np.exp(draws.normal(0, 0.2, (count, 4)))
    scores = (draws.uniform(size=(count, 4, 2)) < chances[:, :, None]).astype(float)
    noise = np.column_stack([kind * 4 - 2 - 0.3 * steps, draws.normal(size=count)])
    return (
        Table(
            tuple(Question(f"{seed}/{i}", texts[i] if told else "") for i in range(count)),
            ARMS,
            scores,
            np.repeat(costs[:, :, None], 2, axis=2),
            probes=(
                Probe("telling", noise[:, 0], np.full(count, probe_cost)),
                Probe("idle", noise[:, 1], np.full(count, probe_cost)),
            ),
        ),
        chances,
    )


def lesson(*, fit: int = 240, validation: int = 100, told: bool = True, probe_cost: float = 1.0) -> Lesson:
    tables = [table(n, s, told=told, probe_cost=probe_cost)[0] for s, n in enumerate((fit, validation))]
    return Lesson(tables[0], tables[1], BUDGET)


@pytest.mark.parametrize("head", HEADS)
def test_forecasts_hold_on_new_questions(head: str) -> None:
    predictor = fit_predictor(lesson(), head=head, probes=False)
    unseen, chances = table(400, 7)
    found = predictor.predict(unseen.batch())
    blind = ((predictor.arm_scores - chances) ** 2).mean()
    assert ((found.scores - chances) ** 2).mean() < 0.35 * blind
    assert found.costs.mean(axis=0) == pytest.approx(unseen.mean_costs.mean(axis=0), rel=0.1)
    assert (unseen.costs <= found.high[:, :, None]).mean() == pytest.approx(0.95, abs=0.03)
    assert (found.high >= found.costs).all()
    assert predictor.head == head


def test_the_head_that_allocates_best_is_taken() -> None:
    learned = lesson(fit=120, validation=60)
    chosen = fit_predictor(learned, probes=False)
    unseen, chances = table(400, 8)

    def worth(predictor: Predictor) -> float:
        found = predictor.predict(unseen.batch())
        arms = allocate(found.scores, found.costs, BUDGET * 400)
        return float(chances[np.arange(400), arms].mean())

    worths = {head: worth(fit_predictor(learned, head=head, probes=False)) for head in HEADS}
    assert worth(chosen) == worths[chosen.head]
    assert worths[chosen.head] > max(worths.values()) - 0.02
    best = float(chances[np.arange(400), allocate(chances, unseen.mean_costs, BUDGET * 400)].mean())
    assert worths[chosen.head] > best - 0.08


def test_a_probe_is_kept_where_it_is_worth_its_cost() -> None:
    kept = fit_predictor(lesson(told=False), head="logistic")
    assert (kept.probe, kept.probe_cost, kept.probe_high) == ("telling", 1.0, 1.0)
    assert fit_predictor(lesson(told=False, probe_cost=500.0), head="logistic").probe is None
    assert fit_predictor(lesson(told=False), head="logistic", probes=False).probe is None
    with pytest.raises(UsageError, match="lack probe 'telling'"):
        kept.predict(Batch((Question("a", "b"),)))


def test_a_probe_that_says_what_is_known_already_is_not_kept() -> None:
    assert fit_predictor(lesson(), head="clusters").probe is None


def test_clusters_may_be_fewer_than_families() -> None:
    plain = lesson(fit=120, validation=40)

    def in_families(part: Table) -> Table:
        return replace(part, questions=tuple(replace(q, family=f"f{i % 40}") for i, q in enumerate(part.questions)))

    learned = replace(plain, fit=in_families(plain.fit), validation=in_families(plain.validation))
    predictor = fit_predictor(learned, head="clusters", probes=False)
    assert isinstance(predictor.scores, ClusterHead)
    assert 0 < len(predictor.scores.centers) < 40 == len(predictor.encoder.families)
    content = predictor.to_json()
    content["scores"] |= {"centers": [], "means": content["scores"]["means"][:9]}
    with pytest.raises(UsageError, match="a row for every family"):
        Predictor.from_json(content)


def test_drawing_scores_to_the_arms_means() -> None:
    predictor = fit_predictor(lesson(fit=60, validation=20), head="clusters", probes=False)
    batch = table(9, 9)[0].batch()
    full, none, half = (predictor.shrunk(share).predict(batch) for share in (1.0, 0.0, 0.5))
    assert (full.scores == predictor.predict(batch).scores).all()
    assert (none.scores == predictor.arm_scores).all()
    assert half.scores == pytest.approx((full.scores + none.scores) / 2)
    assert (half.costs == full.costs).all()
    with pytest.raises(ValueError, match="between 0 and 1"):
        predictor.shrunk(1.5)


@pytest.mark.parametrize("head", HEADS)
def test_json_gives_the_same_forecasts(head: str) -> None:
    predictor = fit_predictor(lesson(fit=60, validation=20), head=head, probes=False).shrunk(0.7)
    again = Predictor.from_json(json.loads(json.dumps(predictor.to_json())))
    batch = table(30, 9)[0].batch()
    for mine, theirs in zip(_all(predictor, batch), _all(again, batch), strict=True):
        assert (mine == theirs).all()
    assert (again.arms, again.share) == (predictor.arms, 0.7)


def _all(predictor: Predictor, batch: Batch) -> tuple[Floats, Floats, Floats]:
    found = predictor.predict(batch)
    return found.scores, found.costs, found.high


def test_a_state_whose_parts_do_not_belong_together_is_refused() -> None:
    content = fit_predictor(lesson(fit=40, validation=10), head="clusters", probes=False).to_json()
    with pytest.raises(UsageError, match="its parts are not for the same arms"):
        Predictor.from_json(content | {"arms": content["arms"][:2]})
    with pytest.raises(UsageError, match="field 'scores"):
        Predictor.from_json(content | {"scores": {"kind": "magic"}})


@pytest.mark.parametrize("head", ["clusters", "logistic"])
def test_cross_fitting_sees_no_answer_of_the_question_itself(head: str) -> None:
    """With answers that nothing foretells, forecasts of the questions that were learned from must not foretell them."""
    learned, _ = table(120, 0, told=False)
    draws = np.random.default_rng(1)
    scores = np.repeat((draws.uniform(size=(120, 4, 1)) < 0.5).astype(float), 2, axis=2)
    guessing = Lesson(replace(learned, scores=scores), learned, BUDGET)
    predictor = fit_predictor(guessing, head=head, probes=False)
    found = cross_fitted(guessing, predictor)
    means = guessing.fit.mean_scores
    assert ((found.scores - means) ** 2).mean() > 0.25 * 0.98
    told, _ = table(120, 0)
    knowing = Lesson(told, told, BUDGET)
    foretold = cross_fitted(knowing, fit_predictor(knowing, head=head, probes=False))
    assert ((foretold.scores - told.mean_scores) ** 2).mean() < 0.75 * told.mean_scores.var(axis=0).mean()
    assert foretold.high.shape == foretold.costs.shape == (120, 4)


def test_equal_lessons_give_equal_predictors() -> None:
    small = lesson(fit=60, validation=20)
    assert fit_predictor(small, head="clusters").to_json() == fit_predictor(small, head="clusters").to_json()


def test_lessons_that_cannot_be_learned_from() -> None:
    whole = lesson(fit=40, validation=10)
    with pytest.raises(UnknownName, match="did you mean 'logistic'"):
        fit_predictor(whole, head="logistics")
    with pytest.raises(UsageError, match="the validation part has 1 questions"):
        fit_predictor(replace(whole, validation=whole.validation.take(np.array([0]))))
    with pytest.raises(UsageError, match="must have the same arms"):
        fit_predictor(replace(whole, validation=whole.validation.with_arms([1, 0, 2, 3])))


@pytest.mark.parametrize("head", HEADS)
def test_values_are_forecast_as_the_scores_that_they_are_made_of(head: str) -> None:
    """Heads know shares from 0 to 1; where all is answered, a value is one such share, stretched."""
    plain = lesson()
    priced = replace(plain, fit=valued(plain.fit, 3.0), validation=valued(plain.validation, 3.0))
    before, after = (fit_predictor(each, head=head, probes=False) for each in (plain, priced))
    asked = table(50, 7)[0].batch()
    foretold = after.predict(asked)
    assert foretold.scores == pytest.approx(4 * before.predict(asked).scores - 3, abs=1e-4)
    assert foretold.scores.min() < 0
    assert after.arm_scores == pytest.approx(4 * before.arm_scores - 3, abs=1e-4)
    assert cross_fitted(priced, after).scores == pytest.approx(4 * cross_fitted(plain, before).scores - 3, abs=1e-4)
    again = Predictor.from_json(json.loads(json.dumps(after.to_json())))
    assert (again.predict(asked).scores == foretold.scores).all()
    assert again.wrong_costs == 3.0


def test_means_of_arms_are_of_both_parts_and_all_else_is_of_the_fit_part() -> None:
    """What serves knows of the validation part, what is compared there does not; nor does it where that judges."""
    known = lesson(fit=120, validation=60)
    other = replace(known, validation=replace(known.validation, scores=1 - known.validation.scores))
    judged = replace(known, judged=True)
    one, two, third = (fit_predictor(each, head="clusters", probes=False) for each in (known, other, judged))
    assert one.arm_scores == pytest.approx(joined(known.fit, known.validation).mean_scores.mean(axis=0), abs=1e-6)
    assert one.arm_scores != pytest.approx(two.arm_scores)
    assert third.arm_scores == pytest.approx(known.fit.mean_scores.mean(axis=0), abs=1e-6)
    asked = table(50, 9)[0].batch()
    assert (one.as_learned().predict(asked).scores == two.as_learned().predict(asked).scores).all()
    assert (third.predict(asked).scores == one.as_learned().predict(asked).scores).all()
    moved = one.predict(asked).scores - one.as_learned().predict(asked).scores
    inside = (one.predict(asked).scores > 0) & (one.predict(asked).scores < 1)
    shift = np.broadcast_to(one.arm_scores - third.arm_scores, moved.shape)
    assert moved[inside] == pytest.approx(shift[inside])
    assert one.key == one.as_learned().key


def test_a_file_of_an_earlier_version_forecasts_as_it_did() -> None:
    predictor = fit_predictor(replace(lesson(fit=60, validation=20), judged=True), head="clusters", probes=False)
    old = {name: value for name, value in predictor.to_json().items() if name != "learned_scores"}
    batch = table(9, 9)[0].batch()
    assert (Predictor.from_json(old).predict(batch).scores == predictor.predict(batch).scores).all()
