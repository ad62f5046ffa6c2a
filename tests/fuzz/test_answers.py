"""Answers as metrics and judges read them."""

from __future__ import annotations

from functools import partial

import pytest

from apportion.nodes.votes import normal_form
from apportion.records.task import Task
from apportion.tasks.mark import mark_in
from apportion.tasks.metrics import score

from .hostile_texts import Parser, only_typed_errors, time_is_linear


def graded(metric: str, gold: str, text: str) -> object:
    return score(Task(question="Which?\nA) red\nB) 42", gold=gold), text, metric)


PARSERS = {
    "normal form": Parser(normal_form, samples=("1{,}234", r"\frac{1}{2}", "(B)", "–5")),
    "numeric": Parser(partial(graded, "numeric", "42"), samples=("1,234.5", r"\frac{1}{2}")),
    "choice": Parser(partial(graded, "choice", "B"), samples=("(B) 42", r"\boxed{\text{B}}")),
    "set": Parser(partial(graded, "set", "red, 42"), samples=("red and 42",)),
    "token_f1": Parser(partial(graded, "token_f1", "red 42"), samples=("the red 42",)),
    "contains": Parser(partial(graded, "contains", "red 42"), samples=("the red 42.",)),
    "rouge_l": Parser(partial(graded, "rouge_l", "the red 42"), samples=("a red 42",)),
    "json_fields": Parser(partial(graded, "json_fields", '{"a": [1, {"b": 2}]}'), samples=('{"a": [1, {"b": 2}]}',)),
    "mark": Parser(
        partial(mark_in, low=0, high=10),
        samples=("Fine.\nScore: 7.5/10", '{"score": 7}', "[[7]]", "7,5", "<score>7", "Score: a"),
    ),
    "cut mark": Parser(partial(mark_in, low=-1, high=1, cut=True), samples=("Score: -0.5\nbecause",)),
}


@pytest.mark.parametrize("name", PARSERS)
def test_only_typed_errors(name: str) -> None:
    only_typed_errors(PARSERS[name])


@pytest.mark.parametrize("name", PARSERS)
def test_no_time_beyond_linear(name: str) -> None:
    time_is_linear(PARSERS[name])
