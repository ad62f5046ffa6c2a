from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apportion.budgets.bounds import prompt_bound
from apportion.records.text import longest_bytes

HOSTILE = st.text(
    alphabet=st.one_of(
        st.characters(),
        st.characters(categories=["Cs"]),
        st.sampled_from("\ufdfa\u00bd\u0344\u0390\ufb1d\U0001d160\u1e9b\u0323\u0307\uac00\u1100\u1161\u2126a"),
    ),
    max_size=60,
)


@given(st.lists(HOSTILE, max_size=4), st.integers(0, 100), st.integers(0, 100))
def test_the_template_comes_on_top_of_every_message(contents: list[str], template: int, message: int) -> None:
    bound = prompt_bound(contents, template_tokens=template, message_tokens=message)
    assert bound == template + sum(map(longest_bytes, contents)) + message * len(contents)


def test_an_exact_count_is_the_bound() -> None:
    assert prompt_bound(["a" * 100], template_tokens=16, message_tokens=8, exact=31) == 31
    assert prompt_bound([], template_tokens=16, message_tokens=8, exact=0) == 0
