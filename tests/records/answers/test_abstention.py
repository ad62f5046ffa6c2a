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
        "I don't know " + "x" * 300,
    ],
)
def test_what_is_an_answer_or_nothing_at_all(answer: str) -> None:
    assert not abstains(answer)
