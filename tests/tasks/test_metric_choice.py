from __future__ import annotations

import pytest

from apportion.errors import UsageError
from apportion.records.task import Task
from apportion.tasks.metric_choice import choice

QUESTION = "Which is the capital?\nA) Paris\nB) Rome\nC) a dog\n(D) New Rome"


@pytest.mark.parametrize(
    ("gold", "answer", "expected"),
    [
        ("B", "B", 1.0),
        ("B", "b.", 1.0),
        ("B", "(B)", 1.0),
        ("B", "Option B", 1.0),
        ("B", "rome", 1.0),
        ("Rome", "B", 1.0),
        ("b", "The answer is B", 1.0),
        ("B", "Answer: **B**", 1.0),
        ("B", "the answer should be B, not A", 1.0),
        ("B", "B) Rome", 1.0),
        ("B", "so \\boxed{B}", 1.0),
        ("B", r"so \boxed{\text{B}}", 1.0),
        ("B", r"$\textbf{(B)}$ Rome", 1.0),
        ("B", r"\text{B}", 1.0),
        ("B", "Ｂ", 1.0),
        ("B", "Answer: A. No, the answer is B.", 1.0),
        ("A", "It must be Paris, I think", 1.0),
        ("C", "answer: a dog", 1.0),
        ("D", "New Rome", 1.0),
        ("B", "A", 0.0),
        ("B", "Paris or Rome", 0.0),
        ("B", "(A) or (B)", 0.0),
        ("B", "Borneo", 0.0),
        ("B", "", 0.0),
    ],
)
def test_letter_or_text(gold: str, answer: str, expected: float) -> None:
    assert choice(Task(question=QUESTION, gold=gold), answer) == expected


def test_choices_from_metadata() -> None:
    task = Task(question="Which?", gold="cat", metadata={"choices": ["dog", "cat"]})
    assert choice(task, "B") == 1.0
    assert choice(task, "Cat") == 1.0
    assert choice(task, "A") == 0.0


def test_letters_alone_need_no_choices() -> None:
    assert choice(Task(question="Which?", gold="C"), "the answer is (c)") == 1.0


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (Task(question="?", name="t", gold="cat"), "the gold answer 'cat' must be a letter"),
        (Task(question=QUESTION, name="t", gold="E"), "must be one of A, B, C, D or the text of a choice"),
        (Task(question="?", name="t", gold="A", metadata={"choices": "ab"}), "must be a list of 1 to 26 texts"),
        (Task(question="?", name="t"), "there is no gold answer"),
    ],
)
def test_a_task_that_cannot_be_graded_is_named(task: Task, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        choice(task, "A")
    assert "task 't'" in str(caught.value)
    assert words in str(caught.value)
