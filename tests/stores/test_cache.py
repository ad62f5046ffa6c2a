from __future__ import annotations

import pytest

from apportion.records import Amount, StoredReply
from apportion.stores import cache
from apportion.stores.cache import ReplyMemory


def reply(key: str, size: int = 2) -> StoredReply:
    return StoredReply(key, "x" * size, Amount(1))


def test_what_was_handed_over_is_found_until_it_is_refused() -> None:
    memory = ReplyMemory(lambda key: None)
    memory.hand_over(reply("a"))
    assert memory.get("a") == reply("a")
    first = memory.get("a")
    assert first is not None
    memory.booked(first, kept=False)
    assert memory.get("a") is None


def test_the_table_is_asked_once_for_what_it_has() -> None:
    asked: list[str] = []

    def read(key: str) -> StoredReply | None:
        asked.append(key)
        return reply(key) if key == "a" else None

    memory = ReplyMemory(read)
    for key in ("a", "a", "b", "b"):
        memory.get(key)
    assert asked == ["a", "b", "b"]


def test_memory_is_bounded_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_BYTES", 5_000)
    asked: list[str] = []
    memory = ReplyMemory(lambda key: asked.append(key))
    for number in range(10):
        memory.booked(reply(str(number), 600), kept=True)
    for number in range(10):
        memory.get(str(number))
    assert asked == ["0", "1", "2", "3", "4"]
