from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.records.task import Task
from apportion.tasks.metric_rouge import lcs_length, rouge_l
from apportion.testing.metric import MetricConformance


class TestConformance(MetricConformance):
    def metric(self) -> str:
        return "rouge_l"

    def examples(self) -> list[tuple[Task, str, str]]:
        return [(Task(question="Sum it up.", gold="The cat sat on the mat."), "the cat sat on the mat", "a dog ran")]


KNOWN = [
    ("the cat sat on the mat", "the cat is on the mat", 0.8333333333333334),
    ("Police killed the gunman", "the gunman kill police", 0.5),
    ("Police killed the gunman", "police kill the gunman.", 0.75),
    ("A quick, brown fox (jumps) over 12 lazy_dogs", "a quick fox jumps over the 12 lazy dogs!", 0.8888888888888888),
    ("one two three", "four five", 0.0),
    ("a b c d e f g", "g f e d c b a", 0.14285714285714285),
    ("It's John's $5.00", "its johns 5 00", 0.4),
]
"""Of the package rouge-score 0.1.2, `RougeScorer(["rougeL"])`, F measure."""


@pytest.mark.parametrize(("gold", "answer", "expected"), KNOWN)
def test_it_equals_the_reference(gold: str, answer: str, expected: float) -> None:
    assert rouge_l(Task(question="?", gold=gold), answer) == pytest.approx(expected, abs=1e-9)


def by_table(first: list[str], second: list[str]) -> int:
    row = [0] * (len(second) + 1)
    for one in first:
        before = 0
        for place, other in enumerate(second, start=1):
            before, row[place] = row[place], before + 1 if one == other else max(row[place], row[place - 1])
    return row[-1]


WORDS = st.lists(st.sampled_from("abcd"), max_size=40)


@given(WORDS, WORDS)
def test_the_common_subsequence_is_that_of_the_table(first: list[str], second: list[str]) -> None:
    assert lcs_length(first, second) == by_table(first, second)


def test_scripts_without_spaces_are_read_sign_by_sign_and_aliases_count() -> None:
    assert rouge_l(Task(question="?", gold="我喜欢猫"), "我喜欢狗") == 0.75
    assert rouge_l(Task(question="?", gold="x", metadata={"aliases": ["a b"]}), "a b") == 1


def test_long_texts_take_no_time() -> None:
    text = " ".join(str(n % 997) for n in range(20_000))
    assert rouge_l(Task(question="?", gold=text), text) == 1
