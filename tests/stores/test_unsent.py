from __future__ import annotations

import os
from pathlib import Path

import pytest

from apportion.errors import StoreError
from apportion.stores.unsent import UnsentCalls, remove_stale, unsent_calls_of


def entered(path: Path, *names: str) -> UnsentCalls:
    calls = UnsentCalls(path, "owner", flushed=False)
    for name in names:
        calls.add(name)
    return calls


def test_what_waits_is_found_by_others_and_what_was_crossed_out_is_not(path: Path) -> None:
    calls = entered(path, "a", "b", "c")
    assert calls.remove("b")
    assert not calls.remove("b")
    assert not calls.remove("d")
    found = unsent_calls_of(path, ["owner"])
    assert [name in found for name in ("a", "b", "c", "d", "")] == [True, False, True, False, False]
    assert [name in calls for name in ("a", "b", "c", "d", "")] == [True, False, True, False, False]
    calls.close(remove=True)


def test_the_file_is_as_long_as_the_most_that_waited_at_once(path: Path) -> None:
    calls = entered(path, *map(str, range(5)))
    for number in range(5, 500):
        assert calls.remove(str(number - 5))
        calls.add(str(number))
    (file,) = path.parent.glob("books.db-unsent-*")
    assert file.stat().st_size == 5 * 16
    found = unsent_calls_of(path, ["owner"])
    assert [number for number in range(500) if str(number) in found] == [495, 496, 497, 498, 499]
    calls.close(remove=True)


def test_what_is_forgotten_makes_room(path: Path) -> None:
    calls = entered(path, "a", "b")
    calls.forget("a")
    calls.forget("nothing")
    assert "a" not in calls
    calls.add("c")
    found = unsent_calls_of(path, ["owner"])
    assert [name in found for name in "abc"] == [False, True, True]
    calls.close(remove=True)


def test_nobody_who_never_waits_has_a_file(path: Path) -> None:
    calls = entered(path)
    assert not calls.remove("a")
    calls.close(remove=True)
    assert list(path.parent.iterdir()) == []
    assert "a" not in unsent_calls_of(path, ["owner", "nobody"])


def test_files_of_those_who_are_gone_are_removed(path: Path) -> None:
    for name in ("here", "gone"):
        calls = UnsentCalls(path, name, flushed=True)
        calls.add("a")
        calls.remove("a")
        calls.close(remove=False)
    remove_stale(path, {"here"})
    assert [file.name for file in path.parent.iterdir()] == ["books.db-unsent-here"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_nothing_is_crossed_out_that_cannot_be_written(path: Path) -> None:
    calls = entered(path, "a")
    assert calls._file is not None
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, calls._file.fileno())
    os.close(full)
    with pytest.raises(StoreError, match=r"books\.db-unsent-owner cannot be written: No space left on device"):
        calls.remove("a")
    with pytest.raises(StoreError):
        calls.add("b")
    assert ["a" in calls, "b" in calls] == [True, False]
    calls.close(remove=True)
