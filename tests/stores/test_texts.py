from __future__ import annotations

import hashlib
import zlib

import pytest

from apportion.stores.texts import TextEncoder, pack, unpack


@pytest.mark.parametrize("size", [0, 1, 299, 300, 301, 70_000])
def test_packed_texts_are_zlib_streams(size: int) -> None:
    text = "aß" * (size // 3) + "b" * (size % 3)
    assert zlib.decompress(pack(text.encode())).decode() == unpack(pack(text.encode())) == unpack(text) == text


def test_a_text_is_stored_once_under_its_hash() -> None:
    texts = TextEncoder()
    name = texts.hash("hällo")
    assert name == hashlib.sha256("hällo".encode()).hexdigest()[:32] == texts.hash("hällo")
    assert texts.take() == [(name, 6, "hällo")]
    texts.committed()
    assert texts.hash("hällo") == name
    assert texts.take() == []
    assert texts.hash("") is None


def test_a_text_whose_transaction_failed_is_stored_again() -> None:
    texts = TextEncoder()
    texts.hash("hello")
    texts.take()
    texts.rolled_back()
    texts.hash("hello")
    assert len(texts.take()) == 1


def test_compressed_texts_have_the_same_hash() -> None:
    plain, packed = TextEncoder(), TextEncoder(compress=True)
    assert plain.hash("hello" * 100) == packed.hash("hello" * 100)
    ((_, size, content),) = packed.take()
    assert size == 500
    assert isinstance(content, bytes)
    assert len(content) < 100
    assert unpack(content) == "hello" * 100


def test_what_is_said_is_kept_as_far_as_it_is_captured() -> None:
    texts = TextEncoder(capture="hash")
    name = texts.said("secret")
    assert texts.take() == [(name, 6, None)]
    assert texts.hash("secret") == name, "the same text where it may be kept"
    assert texts.take() == [(name, 6, "secret")]

    nothing = TextEncoder(capture="none")
    assert nothing.said("secret") is None
    assert nothing.take() == []
    assert nothing.hash("a note") is not None
