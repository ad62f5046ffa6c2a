from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.nodes.votes import ballots, normal_form, pooled
from apportion.records.message import Candidate


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1,000", "1000.0"),
        ("Paris.", " paris "),
        ("**42**", "42"),
        ("−5", "-5"),
        ("0.50", "0.5"),
        ("New  York", "new york"),
        ("½", "1⁄2"),
        ("07", "7"),
        ("0.0", "-0"),
        ('"yes"', "Yes!"),
    ],
)
def test_the_same_answer(one: str, other: str) -> None:
    assert normal_form(one) == normal_form(other)


@pytest.mark.parametrize(("one", "other"), [("10", "1"), ("-5", "5"), ("a=1 b=3", "a=13"), ("1,00", "100"), ("?", "!")])
def test_another_answer(one: str, other: str) -> None:
    assert normal_form(one) != normal_form(other)


@given(st.text(max_size=60))
def test_any_text_has_a_normal_form(text: str) -> None:
    assert normal_form(normal_form(text)) == normal_form(text) or not text.isascii()


def votes(*pairs: tuple[str, float | None]) -> list[Candidate]:
    return [Candidate(answer, confidence) for answer, confidence in pairs]


def test_majority_then_confidence_then_order() -> None:
    assert ballots(votes(("a", 0.9), ("b", 0.1), ("b", 0.1)))[0].candidate.answer == "b"
    assert ballots(votes(("a", 0.1), ("b", 0.9)))[0].candidate.answer == "b"
    assert ballots(votes(("a", None), ("b", None)))[0].candidate.answer == "a"


def test_confidence_counts_sums() -> None:
    cast = votes(("a", 0.9), ("b", 0.4), ("b", 0.4))
    assert ballots(cast, "confidence")[0].candidate.answer == "a"
    assert ballots([*cast, Candidate("b", 0.4)], "confidence")[0].candidate.answer == "b"


def test_first_takes_the_first() -> None:
    assert ballots(votes(("a", 0.1), ("b", 0.9), ("b", 0.9)), "first")[0].candidate.answer == "a"


def test_a_checked_answer_beats_any_number_of_others() -> None:
    cast = [*votes(("a", 1.0), ("a", 1.0)), Candidate("b", 0.1, checked=True)]
    assert ballots(cast)[0].candidate.answer == "b"
    assert pooled([cast[:2], cast[2:]])[0] == Candidate("b", 1.0, checked=True)


def test_the_ballot_speaks_through_its_best_vote() -> None:
    cast = [Candidate("b", 0.2, text="bad"), Candidate("B", 0.8, text="good")]
    assert ballots(cast)[0].candidate.text == "good"


def test_empty_answers_are_no_votes() -> None:
    assert ballots(votes(("", 1.0), (" ", 1.0))) == ()


def test_every_maker_has_one_vote() -> None:
    sampler = votes(("a", 0.6), ("b", 0.4))
    single = votes(("b", None))
    pool = pooled([sampler, single, []])
    assert [c.answer for c in pool] == ["b", "a"]
    assert [c.confidence for c in pool] == pytest.approx([0.7, 0.3])


def test_a_maker_without_confidences_shares_its_vote_out() -> None:
    assert [c.confidence for c in pooled([votes(("a", None), ("b", None))])] == [0.5, 0.5]


@given(st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.floats(0, 1)), max_size=5), max_size=4))
def test_pooled_confidences_are_at_most_one_in_total(panels: list[list[tuple[str, float | None]]]) -> None:
    pool = pooled([votes(*panel) for panel in panels])
    assert sum(c.confidence or 0.0 for c in pool) <= 1 + 1e-9
    assert len({c.answer for c in pool}) == len(pool)


def test_answers_with_a_form_of_their_own_are_one_by_it() -> None:
    code = [Candidate("A = 1", form="A = 1"), Candidate("a = 1", form="a = 1"), Candidate("a = 1 ", form="a = 1")]
    assert [(ballot.candidate.answer, ballot.count) for ballot in ballots(code)] == [("a = 1", 2), ("A = 1", 1)]
    assert [candidate.answer for candidate in pooled([code])] == ["a = 1", "A = 1"]


def test_who_abstains_is_heard_only_where_nobody_answers() -> None:
    silent = [Candidate("I don't know", 0.9, abstained=True)] * 3
    found = ballots([*silent, Candidate("7", 0.1)])
    assert [(ballot.candidate.answer, ballot.count) for ballot in found] == [("7", 1)]
    assert ballots(silent)[0].candidate.abstained
