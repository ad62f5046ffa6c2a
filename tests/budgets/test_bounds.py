from __future__ import annotations

from unicodedata import normalize

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apportion.budgets.bounds import prompt_bound, text_bound

HOSTILE = st.text(
    alphabet=st.one_of(
        st.characters(),
        st.characters(categories=["Cs"]),
        st.sampled_from("\ufdfa\u00bd\u0344\u0390\ufb1d\U0001d160\u1e9b\u0323\u0307\uac00\u1100\u1161\u2126a"),
    ),
    max_size=60,
)


@given(HOSTILE)
@example("\ufdfa" * 10)
@example("½" * 50)
@example("\U0001d160")
@example("\ud800")
def test_no_byte_level_tokenizer_can_make_more_tokens(text: str) -> None:
    bound = text_bound(text)
    for form in (text, normalize("NFC", text), normalize("NFKC", text)):
        # The worst a byte-level tokenizer can do is one token a byte.
        assert bound >= len(form.encode(errors="surrogatepass"))


@given(st.lists(HOSTILE, max_size=4), st.integers(0, 100), st.integers(0, 100))
def test_the_template_comes_on_top_of_every_message(contents: list[str], template: int, message: int) -> None:
    bound = prompt_bound(contents, template_tokens=template, message_tokens=message)
    assert bound == template + sum(map(text_bound, contents)) + message * len(contents)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("plain", 5),
        ("é", 2),
        ("\ufdfa", 33),  # NFKC makes 18 characters of 1
        ("½", 5),  # NFKC: 1, U+2044, 2
        ("\U0001d160", 12),  # NFC decomposes it, though it composes all else
        ("\u2126", 3),  # the raw text is the longest: NFC makes U+03A9 of it, in 2 bytes
    ],
)
def test_known_expansions(text: str, expected: int) -> None:
    assert text_bound(text) == expected


def test_the_bound_grows_with_the_text() -> None:
    assert text_bound("a" * 1000) == 1000
    assert text_bound("\ufdfa" * 1000) == 33_000


def test_an_exact_count_is_the_bound() -> None:
    assert prompt_bound(["a" * 100], template_tokens=16, message_tokens=8, exact=31) == 31
    assert prompt_bound([], template_tokens=16, message_tokens=8, exact=0) == 0
