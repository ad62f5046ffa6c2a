from __future__ import annotations

import pytest

from apportion.models.pocket.serving.roles import choose_role, role_in
from apportion.models.pocket.shorthand import Role


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("Formalise the puzzle", Role.FORMALISE),
        ("translate it INTO CONSTRAINTS", Role.FORMALISE),
        ("Break the question down into parts", Role.DECOMPOSE),
        ("Write sub-questions; think of every step", Role.DECOMPOSE),
        ("Verify every step", Role.VERIFY),
        ("Is it correct?", Role.VERIFY),
        ("Search, then answer only", Role.SEARCH),
        ("Think step by step, five words at most", Role.DRAFT),
        ("Answer without any explanation", Role.DIRECT),
        ("don't think, just answer", Role.DIRECT),
        ("Think, then give the answer only", Role.THINK),
        ("only the final answer", Role.DIRECT),
        ("Please be kind", None),
        ("Answer the next query", None),
        ("", None),
    ],
)
def test_words_choose_a_role(text: str, role: Role | None) -> None:
    assert role_in(text, verifiable=True) is role


def test_checking_needs_something_to_check() -> None:
    assert role_in("Think step by step and check your work", verifiable=False) is Role.THINK
    assert role_in("Think step by step and check your work", verifiable=True) is Role.VERIFY


def test_the_first_text_that_says_something_decides_and_silence_means_directly() -> None:
    assert choose_role(["", "a draft", "think"], verifiable=False) is Role.DRAFT
    assert choose_role([], verifiable=False) is Role.DIRECT
