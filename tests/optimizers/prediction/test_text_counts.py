from __future__ import annotations

import numpy as np
import pytest

from apportion.optimizers.prediction.features import fit_encoder
from apportion.optimizers.prediction.text_counts import counted, counted_terms, with_texts_counted
from apportion.optimizers.tables.table import Arm, Batch, Question, Table

TEXTS = ("add 12 and 7", "add 9 and 30", "Which river is long?", "which city is old", "", "add 1 and 1")


def table(texts: tuple[str, ...] = TEXTS) -> Table:
    questions = tuple(Question(f"q{i}", text) for i, text in enumerate(texts))
    outcomes = np.ones((len(texts), 1, 1))
    return Table(questions, (Arm("a"),), outcomes, outcomes)


def test_words_pairs_and_characters_are_counted_and_digits_are_alike() -> None:
    found = counted(table(("Add 12, add 7",)).batch())
    assert found.of(["w:add", "w:add add", "00", "dd", "w:river"]).toarray().tolist() == [[2, 1, 1, 2, 0]]


def test_an_encoder_learns_the_same_from_texts_that_were_counted_before() -> None:
    whole, part = table(TEXTS * 5), np.arange(4, 22)
    again = with_texts_counted(whole).take(part).batch()
    assert again.known
    encoder = fit_encoder(again)
    assert encoder.key == fit_encoder(whole.take(part).batch()).key
    assert len(encoder.terms)
    others = np.array([0, 1, 2])
    plain = encoder.encode(whole.take(others).batch()).matrix
    assert encoder.encode(with_texts_counted(whole).take(others).batch()).matrix == pytest.approx(plain, abs=1e-12)


def test_the_most_frequent_come_first_and_rare_ones_never() -> None:
    found = counted(table().batch())
    assert "w:add" in found.frequent(1000, 3)
    assert len(found.frequent(3, 2)) == 3
    assert "w:river" not in found.frequent(1000, 2)
    assert "w:river" in found.frequent(1000, 1)
    assert found.frequent(1000, 2) == tuple(sorted(found.frequent(1000, 2)))


def test_no_text_and_no_known_term_are_no_error() -> None:
    assert counted(Batch((Question("q", ""),))).frequent(10, 1) == ()
    assert counted_terms(table().batch(), {})[1].shape == (6, 0)
    assert counted(table(("", "")).batch()).of(["ab"]).shape == (2, 1)


def test_some_terms_are_counted_as_all_are() -> None:
    found = counted(table().batch())
    terms = found.frequent(12, 1)
    places = {term: column for column, term in enumerate(terms)}
    amounts, counts = counted_terms(table().batch(), places)
    assert counts.toarray().tolist() == found.of(terms).toarray().tolist()
    assert amounts.tolist() == found.amounts.tolist()
    again = counted_terms(with_texts_counted(table()).batch(), places)
    assert again[1].toarray().tolist() == counts.toarray().tolist()
    assert counted_terms(Batch(()), places)[1].shape == (0, 12)
    assert counted_terms(Batch(()), places)[0].shape == amounts[:0].shape
