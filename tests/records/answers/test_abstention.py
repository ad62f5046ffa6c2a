from __future__ import annotations

import pytest

from apportion.records.answers import abstains


@pytest.mark.parametrize(
    "answer",
    [
        "I don't know",
        "I don’t know.",
        "i do not know the answer to this question",
        "**I cannot determine this from the passage.**",
        "Not enough information",
        "Insufficient information to answer.",
        "There is not enough information in the context",
        "It cannot be determined.",
        "Sorry, I am not sure.",
        "Unknown",
        "(unanswerable)",
        "The passage does not say who it was. I don't know.",
        "I cannot determine the answer. The text gives no year.",
        "I'm sorry, I cannot answer this question. Please provide more context.",
        "I don't know what the answer is",
        "The answer is unknown.",
        "I can't say",
        "I cannot find any evidence of it.",
        "Unfortunately, I couldn't find the answer.",
    ],
)
def test_what_says_that_there_is_no_answer(answer: str) -> None:
    assert abstains(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "  ",
        "42",
        "The Unknown Soldier",
        "I don't know, but my guess is Paris",
        "No",
        "None",
        "unknown pleasures",
        "I know",
        "I'm not sure. 42",
        "I don't know. The answer is 42.",
        "I don't know; 42",
        "I cannot find any error in it: the code is correct",
        "I cannot find fault with it",
        "I can't tell a lie",
        "I don't know any better name than Paris",
        "I'm not sure, so I pick B",
        "I am not certain. Perhaps 4",
        "Nothing. It is not there.",
        "Not enough",
        "I don't know " + "x" * 300,
    ],
)
def test_what_is_an_answer_or_nothing_at_all(answer: str) -> None:
    assert not abstains(answer)
