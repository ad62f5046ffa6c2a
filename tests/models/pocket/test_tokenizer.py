from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.models.pocket.tokenizer import END, PIECES, UNKNOWN, decode, encode


def test_a_newline_is_the_end_token_and_unknown_characters_are_one_token_each() -> None:
    assert encode("a\n") == [PIECES.index("a"), END]
    assert encode("é中\U0001f600") == [UNKNOWN] * 3


def test_whole_phrases_are_one_token() -> None:
    assert len(encode("Which room is kemo in?")) == 4
    assert len(encode(" is less than ")) == 1


def test_the_pieces_are_distinct() -> None:
    assert len(set(PIECES)) == len(PIECES)


@given(st.text())
def test_there_are_never_more_tokens_than_bytes(text: str) -> None:
    assert len(encode(text)) <= len(text.encode("utf-8", "surrogatepass"))


@given(st.lists(st.sampled_from(PIECES[1:])))
def test_known_text_survives(pieces: list[str]) -> None:
    text = "".join(pieces)

    assert decode(encode(text)) == text


def test_a_token_beyond_the_vocabulary_is_an_error() -> None:
    with pytest.raises(IndexError):
        decode([len(PIECES)])
