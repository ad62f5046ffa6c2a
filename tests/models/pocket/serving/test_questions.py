from __future__ import annotations

import pytest

from apportion.models.pocket.serving.questions import find_facts, find_question, without
from apportion.records.text import single_spaced


def found(text: str) -> str | None:
    match = find_question(text)
    return None if match is None else match[0]


def test_the_last_question_is_found_and_where_it_stands() -> None:
    text = "Which room is kemo in? And: 4 + 5 ="

    assert find_question(text) == ("04+05=", "4 + 5 =")
    assert without(text, ("4 + 5 =", "")).strip() == "Which room is kemo in? And:"


@pytest.mark.parametrize(
    "text", ["47+83=30", "47+83= 30", "1 + 47+83= 30", "123+4=", "2026-11-22", "a1+2=", "x=3", "1.5+2=", "room 12"]
)
def test_a_claim_a_date_and_other_numbers_are_no_questions(text: str) -> None:
    assert found(text) is None


def test_an_expression_without_an_end_counts_only_where_nothing_else_does() -> None:
    assert found("What is 47-12 in all?") == "47-12="
    assert found("Pegs cab. All to c? In 10-12 words.") == "Pegs cab. All to c?"


def test_the_mark_of_a_list_is_no_operator() -> None:
    assert found("Use 10-12 words.\n- 47+83=") == "47+83="
    assert found("- 47 + 83") == "47+83="


def test_facts_in_their_order() -> None:
    text = "Note: kemo works\nwith lato. They saw it. lato met rali. Stock kemo 47,\nlato 12. rali stays in room 12."

    assert [single_spaced(fact) for fact in find_facts(text)] == [
        "kemo works with lato.",
        "lato met rali.",
        "Stock kemo 47, lato 12.",
        "rali stays in room 12.",
    ]
