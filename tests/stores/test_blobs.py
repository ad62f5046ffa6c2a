from __future__ import annotations

import zlib

import pytest

from apportion.stores.blobs import BlobEncoder, pack, unpack


@pytest.mark.parametrize("size", [0, 1, 299, 300, 301, 70_000])
def test_packed_texts_are_zlib_streams(size: int) -> None:
    text = "aß" * (size // 3) + "b" * (size % 3)
    assert zlib.decompress(pack(text.encode())).decode() == unpack(pack(text.encode())) == text


def test_a_text_is_stored_once() -> None:
    blobs = BlobEncoder()
    first = blobs.hash("hello")
    assert blobs.hash("hello") == first
    assert [row[0] for row in blobs.take()] == [first]
    blobs.committed()
    assert blobs.hash("hello") == first
    assert blobs.take() == []
    assert blobs.hash("") is None


def test_a_text_whose_transaction_failed_is_stored_again() -> None:
    blobs = BlobEncoder()
    blobs.hash("hello")
    blobs.take()
    blobs.rolled_back()
    blobs.hash("hello")
    assert len(blobs.take()) == 1
