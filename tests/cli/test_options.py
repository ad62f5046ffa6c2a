from __future__ import annotations

import pytest

from apportion.cli.options import columns_by_ours
from apportion.errors import UsageError


def test_pairs_are_by_our_name_and_theirs_may_hold_an_equals_sign() -> None:
    assert columns_by_ours(["question=a", "gold=b=c"]) == {"question": "a", "gold": "b=c"}
    assert columns_by_ours(None) == {}


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        (["question"], "--column question: write OURS=THEIRS"),
        (["=a"], "--column =a: write OURS=THEIRS"),
        (["question="], "--column question=: write OURS=THEIRS"),
        (["question=a", "question=b"], "'question' is 'a' already; name it once"),
    ],
)
def test_what_is_no_pair_is_refused(pairs: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        columns_by_ours(pairs)
