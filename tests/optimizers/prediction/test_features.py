from __future__ import annotations

import json
import random
from itertools import pairwise

import numpy as np
import pytest

from apportion.errors import UsageError
from apportion.optimizers.prediction.features import Encoder, Features, fit_encoder
from apportion.optimizers.tables.table import Batch, Question


def batch(texts: list[str], families: list[str] | None = None, probe: list[float] | None = None) -> Batch:
    names = families or [""] * len(texts)
    questions = tuple(Question(f"q{i}", text, name) for i, (text, name) in enumerate(zip(texts, names, strict=True)))
    return Batch(questions, {} if probe is None else {"entropy": np.array(probe)})


def chains(steps: int, count: int, seed: int = 0) -> list[str]:
    draws = random.Random(seed + steps)
    return [
        "".join(f"{draws.randint(10, 99)}{draws.choice('+*')}" for _ in range(steps)) + f"{draws.randint(10, 99)}="
        for _ in range(count)
    ]


def spread(features: Features, first: slice, second: slice) -> float:
    """How far apart two groups lie, in units of how far each spreads."""
    a, b = features.matrix[first], features.matrix[second]
    return float(np.linalg.norm(a.mean(axis=0) - b.mean(axis=0)) / (a.std(axis=0).sum() + b.std(axis=0).sum() + 1e-9))


def test_sums_of_one_form_lie_together_and_apart_from_longer_ones() -> None:
    questions = batch(chains(1, 30) + chains(4, 30))
    features = fit_encoder(questions).encode(questions)
    shuffled = Features(np.random.default_rng(0).permutation(features.matrix), features.groups)
    first, second = slice(0, 30), slice(30, 60)
    assert spread(features, first, second) > 5 * spread(shuffled, first, second)
    new = fit_encoder(questions).encode(batch(chains(1, 10, seed=9) + chains(4, 10, seed=9)))
    centers = np.stack([features.matrix[first].mean(axis=0), features.matrix[second].mean(axis=0)])
    nearest = ((new.matrix[:, None] - centers) ** 2).sum(axis=2).argmin(axis=1)
    assert nearest.tolist() == [0] * 10 + [1] * 10


def test_subjects_of_like_length_lie_apart() -> None:
    places = [f"which river flows through the old city of {name}" for name in ("rome", "bonn", "riga", "lima", "oslo")]
    sums = [f"which number comes out when you add {a} and {b}" for a in ("one", "two") for b in ("six", "ten", "two")]
    questions = batch((places * 4) + (sums * 4))
    features = fit_encoder(questions).encode(questions)
    assert spread(features, slice(0, 20), slice(20, 44)) > 0.5


def test_the_blocks_weigh_the_same() -> None:
    texts, families = chains(1, 20) + chains(3, 20), ["a", "b"] * 20
    questions = batch(texts, families, list(np.linspace(0, 50, 40)))
    encoder = fit_encoder(questions, probe="entropy")
    matrix = encoder.encode(questions).matrix
    assert matrix.shape == (40, encoder.columns)
    counts, text = len(encoder.count_center), len(encoder.text_center)
    ends = np.cumsum([0, counts, text, 2, 1])
    weights = [matrix[:, begin:end].var(axis=0).sum() for begin, end in pairwise(ends)]
    assert weights == pytest.approx([1, 1, 1, 1], rel=1e-3)


def test_unknown_families_and_single_ones() -> None:
    questions = batch(["one", "two", "three", "four"], ["b", "a", "", "a"])
    encoder = fit_encoder(questions)
    assert encoder.encode(questions).groups.tolist() == [1, 0, -1, 0]
    assert encoder.encode(batch(["one"], ["c"])).groups.tolist() == [-1]
    assert fit_encoder(batch(["one", "two"], ["a", "a"])).families == ()


@pytest.mark.parametrize(
    "texts",
    [["", "", ""], ["?", "?", "?"], ["a"], ["abc", "xyz", "123"], ["x" * 9000, "y" * 9000], ["one and the same"] * 40],
)
def test_texts_that_tell_nothing_are_no_error(texts: list[str]) -> None:
    encoder = fit_encoder(batch(texts))
    matrix = encoder.encode(batch([*texts, "anything else 1+1"])).matrix
    assert matrix.shape == (len(texts) + 1, encoder.columns)
    assert np.isfinite(matrix).all()


def test_json_gives_the_same_numbers() -> None:
    questions = batch(chains(2, 20) + ["a question in words"] * 3, ["a"] * 10 + ["b"] * 13, [0.5] * 23)
    encoder = fit_encoder(questions, probe="entropy", seed=3)
    again = Encoder.from_json(json.loads(json.dumps(encoder.to_json())))
    assert (again.encode(questions).matrix == encoder.encode(questions).matrix).all()
    assert again.key == encoder.key
    one = again.encode(questions.take(np.array([4])))
    assert one.matrix == pytest.approx(again.encode(questions).matrix[4:5], abs=1e-12)


def test_a_missing_probe_is_named() -> None:
    encoder = fit_encoder(batch(["a", "b"], probe=[1, 2]), probe="entropy")
    with pytest.raises(UsageError, match="lack probe 'entropy'"):
        encoder.encode(batch(["a"]))
    with pytest.raises(UsageError, match="must be a number"):
        encoder.encode(batch(["a"], probe=[float("nan")]))
