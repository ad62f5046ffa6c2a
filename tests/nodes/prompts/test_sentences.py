from __future__ import annotations

import pytest

from apportion.nodes.prompts.sentences import answer_of, closing_answer, is_placeholder, taken_back


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("So the answer is 6.", "6"),
        ("The answer to the question is therefore 6", "6"),
        ("The answer would be: Paris", "Paris"),
        ("The final result is 6.", "6"),
        ("the correct choice is B, because A is wrong", "B"),
        ("I'd go with C.", "C"),
        ("My choice is D.", "D"),
        ("Option A is the correct answer", "A"),
        ("Paris is the answer.", "Paris"),
        ("First the answer is 5. No: the answer is 6.", "6"),
        ("We get 2 + 4 = 6", "6"),
        ("Therefore, the total is 6 apples.", "6 apples"),
        ("2 + 4 = 6", ""),
        ("This is the answer.", ""),
        ("I wonder what is the answer.", ""),
        ("The answer is unclear because", "unclear"),
        ("", ""),
    ],
)
def test_closing_sentences(text: str, answer: str) -> None:
    assert closing_answer(text) == answer


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("The final answer is $6$. I hope it is correct.", "6"),
        (r"so \boxed{6} it is", "6"),
        ("Paris. I hope this helps!", "Paris"),
        ("6, since 2 + 4 = 6", "6"),
        ("No. 5", "No. 5"),
        ("because it is cold", "because it is cold"),
        ("red\nblue.", "red\nblue"),
    ],
)
def test_what_a_marker_names(said: str, answer: str) -> None:
    assert answer_of(said) == answer


@pytest.mark.parametrize(
    ("later", "back"), [("That is wrong.", True), ("Wait, let me see.", None), ("I checked it.", False)]
)
def test_what_is_taken_back(later: str, back: bool | None) -> None:
    assert taken_back(later) is back


@pytest.mark.parametrize("said", ["", "<answer only>", "[Your Answer]", "...", "### Next", "$ANSWER", "the answer is:"])
def test_placeholders(said: str) -> None:
    assert is_placeholder(said)


@pytest.mark.parametrize("said", ["42", "B", "an answer", "<42>", "the answer is 42"])
def test_no_placeholders(said: str) -> None:
    assert not is_placeholder(said)
