from __future__ import annotations

import pytest

from apportion.models.pocket.serving.roles import choose_role, role_in
from apportion.models.pocket.shorthand import PocketRole


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("Formalise the puzzle", PocketRole.FORMALISE),
        ("translate it INTO CONSTRAINTS", PocketRole.FORMALISE),
        ("Break the question down into parts", PocketRole.DECOMPOSE),
        ("Write sub-questions; think of every step", PocketRole.DECOMPOSE),
        ("Verify every step", PocketRole.VERIFY),
        ("Is it correct?", PocketRole.VERIFY),
        ("Search, then answer only", PocketRole.SEARCH),
        ("Think step by step, five words at most", PocketRole.DRAFT),
        ("Answer without any explanation", PocketRole.DIRECT),
        ("don't think, just answer", PocketRole.DIRECT),
        ("Think, then give the answer only", PocketRole.THINK),
        ("only the final answer", PocketRole.DIRECT),
        ("Please be kind", None),
        ("Answer the next query", None),
        ("", None),
    ],
)
def test_words_choose_a_role(text: str, role: PocketRole | None) -> None:
    assert role_in(text, verifiable=True) is role


def test_checking_needs_something_to_check() -> None:
    assert role_in("Think step by step and check your work", verifiable=False) is PocketRole.THINK
    assert role_in("Think step by step and check your work", verifiable=True) is PocketRole.VERIFY


def test_the_first_text_that_says_something_decides_and_silence_means_directly() -> None:
    assert choose_role(["", "a draft", "think"], verifiable=False) is PocketRole.DRAFT
    assert choose_role([], verifiable=False) is PocketRole.DIRECT
