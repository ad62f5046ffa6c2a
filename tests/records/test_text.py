from __future__ import annotations

from unicodedata import normalize

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apportion.records.text import clip, clip_as, encodable, longest_bytes, single_spaced, slices

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
    bound = longest_bytes(text)
    for form in (text, normalize("NFC", text), normalize("NFKC", text)):
        # The worst a byte-level tokenizer can do is one token a byte.
        assert bound >= len(form.encode(errors="surrogatepass"))


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
    assert longest_bytes(text) == expected


def test_the_bound_grows_with_the_text() -> None:
    assert longest_bytes("a" * 1000) == 1000
    assert longest_bytes("\ufdfa" * 1000) == 33_000


@given(HOSTILE, st.integers(0, 80))
def test_a_clipped_text_is_a_prefix_within_the_limit(text: str, limit: int) -> None:
    kept = clip(text, limit)
    assert text.startswith(kept)
    assert longest_bytes(kept) <= limit


@given(st.text(alphabet=st.characters(max_codepoint=127), max_size=60), st.integers(0, 80))
def test_plain_text_is_clipped_no_shorter_than_needed(text: str, limit: int) -> None:
    assert clip(text, limit) == text[:limit]


@given(HOSTILE, st.integers(-1, 80), st.integers(0, 20))
def test_a_text_is_clipped_no_shorter_than_a_size_of_ones_own_needs(text: str, limit: int, more: int) -> None:
    clipped = clip_as(text, limit, lambda cut: 2 * len(cut) + more)
    assert text.startswith(clipped)
    assert len(clipped) == min(len(text), max(0, (limit - more) // 2))


@given(st.text(max_size=40), st.integers(1, 20))
def test_slices_are_the_text_in_pieces_as_equal_as_can_be(text: str, count: int) -> None:
    pieces = slices(text, count)
    assert "".join(pieces) == text
    assert len(pieces) == count
    assert max(map(len, pieces)) - min(map(len, pieces)) <= 1


def test_white_space_of_any_kind_is_one_space() -> None:
    assert single_spaced(" a\n\tb \u00a0 c ") == "a b c"


@given(HOSTILE)
@example("\ud83d\ude00")
def test_what_is_encodable_can_be_written_and_keeps_all_that_could_be(text: str) -> None:
    clean = encodable(text)
    clean.encode()
    if not any("\ud800" <= character <= "\udfff" for character in text):
        assert clean == text
