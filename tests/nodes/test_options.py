from __future__ import annotations

import pytest

from apportion.nodes.options import option_in

YES, LETTERS, MAY, SPAM = ("yes", "no"), ("A", "B"), ("may", "will"), ("spam", "not spam")
MOOD = ("positive", "very positive", "negative")


@pytest.mark.parametrize(
    ("options", "said", "option"),
    [
        (YES, "I would say yes", "yes"),
        (YES, "No, it is so", "no"),
        (YES, "No, that is wrong.", "no"),
        (YES, 'It is a "no" then', "no"),
        (YES, "It is **yes** then", "yes"),
        (LETTERS, "It is B because of the rain", "B"),
        (LETTERS, "B: the second", "B"),
        (LETTERS, "option (A) it is", "A"),
        (LETTERS, "B) Rome", "B"),
        (LETTERS, "**(B) Rome**", "B"),
        (LETTERS, "I take a guess: B.", "B"),
        (MOOD, "Very positive in all of it", "very positive"),
        (MOOD, "Its mood is positive - mostly", "positive"),
        (SPAM, "It is Not spam", "not spam"),
        (SPAM, "It is spam", "spam"),
        (MAY, "The word is will.", "will"),
        (("3", "4"), "It is 3.", "3"),
    ],
)
def test_an_option_that_stands_out_is_the_answer(options: tuple[str, ...], said: str, option: str) -> None:
    assert option_in(said, options) == option


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (YES, "I have no idea."),
        (YES, "No, I cannot answer."),
        (MOOD, "I cannot determine whether this review is positive."),
        (MOOD, "I'm sorry, I cannot label this text as negative."),
        (MOOD, "It is far from positive"),
        (MOOD, "It's unclear if it is positive"),
        (MOOD, "It isn’t negative"),
        (YES, "There is no way to tell."),
        (YES, "no information is given"),
        (YES, "yes or no"),
        (LETTERS, "Sorry, I need a diagram to answer."),
        (LETTERS, "a guess is impossible"),
        (LETTERS, "A guess is impossible"),
        (LETTERS, "an A-level"),
        (LETTERS, "A) or B)"),
        (LETTERS, "not A) in any case"),
        (("1", "2"), "1) First of all"),
        (MAY, "It may be either"),
        (MAY, "May be either"),
        (SPAM, "It is not certainly spam"),
        (MOOD, "not positive"),
        (MOOD, "What positive people say"),
        (("3", "4"), "It is 3.5"),
    ],
)
def test_a_word_of_a_sentence_is_no_answer(options: tuple[str, ...], said: str) -> None:
    assert option_in(said, options) is None
