from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from apportion.optimizers.prediction.heads.base import folds_of
from apportion.optimizers.tables.clusters import cluster_numbers, clustered
from apportion.optimizers.tables.split import lesson_from, set_aside
from apportion.optimizers.tables.table import Arm, Question, Table, joined

FIRST = ("red birds sang", "two carts broke", "no dogs were fed", "old lamps fell", "blunt pens lay")
THEN = ("near the harbor wall", "before winter came back", "because nobody listened")
PHRASES = [f"{first} {then}" for first in FIRST for then in THEN]


def table(each: int = 8) -> Table:
    texts = [f"how many {phrase} {n}?" for n in range(each) for phrase in PHRASES]
    questions = tuple(Question(f"q{n}", text) for n, text in enumerate(texts))
    ones = np.ones((len(texts), 2, 1))
    return Table(questions, (Arm("a"), Arm("b")), ones, ones)


def templates(part: Table) -> set[str]:
    return {" ".join(question.text.split()[:-1]) for question in part.questions}


def test_a_table_knows_its_templates_and_keeps_those_it_was_given() -> None:
    found = clustered(table())
    assert found.clusters is not None
    assert len(set(found.clusters)) == len(PHRASES)
    assert clustered(found).clusters == found.clusters
    given = clustered(replace(table(), clusters=("mine", "mine") + ("",) * (8 * len(PHRASES) - 2)))
    assert given.clusters is not None
    assert given.clusters[:2] == ("mine", "mine")
    assert clustered(replace(table(), questions=tuple(Question(f"{n}", "") for n in range(120)))).clusters is None


@pytest.mark.parametrize("seed", range(3))
def test_templates_are_in_one_part_of_a_lesson_only(seed: int) -> None:
    lesson = lesson_from(table(), 1.0, seed=seed)
    assert not templates(lesson.fit) & templates(lesson.validation)
    assert abs(len(lesson.validation.questions) - 36) <= 8
    scattered = lesson_from(table(), 1.0, seed=seed, together=False)
    assert templates(scattered.fit) & templates(scattered.validation)
    assert len(scattered.validation.questions) == 36
    whole = joined(lesson.fit, lesson.validation)
    numbers = cluster_numbers(whole)
    assert numbers is not None
    folds = folds_of(len(numbers), 5, seed, numbers)
    assert all(len(set(folds[numbers == number])) == 1 for number in numbers)


def test_templates_are_set_aside_whole() -> None:
    learned, aside = set_aside(table(), 0.4)
    assert not templates(learned) & templates(aside)
    assert templates(learned)
    assert templates(aside)
    again = set_aside(table().take(np.arange(119, -1, -1)), 0.4)[1]
    assert templates(again) == templates(aside)


def test_no_number_where_all_stand_alone() -> None:
    assert cluster_numbers(table()) is None
    assert cluster_numbers(replace(table(1), clusters=("",) * len(PHRASES))) is None
