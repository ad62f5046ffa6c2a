from __future__ import annotations

import pytest

from apportion.errors import UsageError
from apportion.records.task import Task
from apportion.tasks.metric_text import exact, set_of_items, token_f1, verbatim


def task(gold: str, **metadata: object) -> Task:
    return Task(question="?", gold=gold, name="t", metadata=metadata)


@pytest.mark.parametrize(
    ("gold", "answer", "expected"),
    [
        ("New York", "  new\n york ", 1.0),
        ("Straße", "STRASSE", 1.0),
        ("ﬁve", "five", 1.0),
        ("New York", "New York.", 1.0),
        ("U.S.", "U.S", 1.0),
        ("it's", "it’s", 1.0),
        ("3.0", "3", 1.0),
        ("B", "(B)", 1.0),
        ("18", "$18", 1.0),
        ("1/2", r"\frac{1}{2}", 1.0),
        ("red\nblue", "red\nblue", 1.0),
        ("New York", "York", 0.0),
        ("10²", "102", 0.0),
        ("5 km", "5 m", 0.0),
    ],
)
def test_exact_compares_normal_forms(gold: str, answer: str, expected: float) -> None:
    assert exact(task(gold), answer) == expected


@pytest.mark.parametrize(
    ("gold", "answer", "expected"),
    [
        ("New York", "  new\n york ", 1.0),
        ("ﬁve", "five", 1.0),
        ("New York", "New York.", 0.0),
        ("B", "(B)", 0.0),
        ("3.10", "3.1", 0.0),
    ],
)
def test_verbatim_passes_over_white_space_and_case_only(gold: str, answer: str, expected: float) -> None:
    assert verbatim(task(gold), answer) == expected


def test_aliases_are_right_too() -> None:
    assert exact(task("New York", aliases=["NYC"]), "nyc") == 1.0
    assert token_f1(task("New York", aliases=["Big Apple"]), "the big apple") == 1.0
    assert set_of_items(task("a, b", aliases=["c"]), "c") == 1.0


@pytest.mark.parametrize(
    ("gold", "answer", "expected"),
    [
        ("the Eiffel Tower", "Eiffel Tower!", 1.0),
        ("Eiffel Tower", "Tower", 2 / 3),
        ("a b c d", "c d e f", 4 / 7),
        ("rose rose", "rose", 2 / 3),
        ("cat", "dog", 0.0),
        ("cat", "", 0.0),
        ("The", "a", 1.0),
        ("The", "cat", 0.0),
    ],
)
def test_token_f1_by_hand(gold: str, answer: str, expected: float) -> None:
    # "a" in "a b c d" is an article and does not count.
    assert token_f1(task(gold), answer) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("gold", "answer", "expected"),
    [
        ("red, green, blue", "Blue; red\ngreen", 1.0),
        ("red, green", "red and green.", 1.0),
        ("red, green", "[red, green]", 1.0),
        ("red, green", '["red", "green"]', 1.0),
        ("red, green", "- red\n- green", 1.0),
        ("red, green", "1. green\n2. red", 1.0),
        ("red, green", "red, red, green", 1.0),
        ("red, green", "red", 0.0),
        ("red, green", "red, green, blue", 0.0),
        ("sand, candy", "candy, sand", 1.0),
        ("1, 2, 3", "3,2,1", 1.0),
        ("1, 2", r"\{2, 1\}", 1.0),
        ("red, it's", "“it’s” and **red**", 1.0),
        ("1/2, 3", r"3, \frac{1}{2}", 1.0),
    ],
)
def test_sets_have_no_order(gold: str, answer: str, expected: float) -> None:
    assert set_of_items(task(gold), answer) == expected


@pytest.mark.parametrize("metric", [exact, verbatim, token_f1, set_of_items])
def test_no_gold_and_wrong_aliases_name_the_task(metric: object) -> None:
    assert callable(metric)
    with pytest.raises(UsageError, match="task 't': there is no gold answer"):
        metric(task(" "), "x")
    with pytest.raises(UsageError, match="task 't': metadata 'aliases' must be a list of texts"):
        metric(task("x", aliases="y"), "x")
