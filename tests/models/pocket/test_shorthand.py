from __future__ import annotations

import pytest

from apportion.models.pocket.shorthand import PocketRole, searching, solving, verifying
from apportion.models.pocket.tokenizer import encode


@pytest.mark.parametrize(
    ("role", "question", "context", "prompt"),
    [
        (PocketRole.THINK, "47+83=", "", "T47+83="),
        (PocketRole.DRAFT, "47+83=", "", "C47+83="),
        (
            PocketRole.DIRECT,
            "Which room is kemo in?",
            "kemo stays with rali.",
            "Skemo stays with rali.\nWhich room is kemo in?",
        ),
        (PocketRole.DRAFT, "Count k in kwwkr", "", "SCount k in kwwkr"),
    ],
)
def test_a_question_stands_behind_its_role_and_its_context(
    role: PocketRole, question: str, context: str, prompt: str
) -> None:
    assert solving(role, question, context) == prompt


def test_a_longer_search_only_adds_until_the_window_is_full() -> None:
    rounds = [("kemo stays", "kemo stays with rali."), ("rali stays", "")]
    first = searching("Which room is kemo in?", rounds[:1], last=False)
    both = searching("Which room is kemo in?", rounds, last=False)
    assert both.startswith(first)
    assert searching("Which room is kemo in?", rounds, last=True) == both + "="
    long = [(f"query {number}", "x" * 60) for number in range(20)]
    full = searching("Which room is kemo in?", long, last=False)
    assert len(encode(full)) <= 240
    assert "query 19" in full
    assert "query 0\n" not in full


def test_what_is_verified_stands_on_a_line_of_its_own() -> None:
    assert verifying("47+83=", "47+83=30") == "V47+83=\n47+83=30\n"
