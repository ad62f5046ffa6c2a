"""Dividing things by dealing them out in the order of their keys, so that the order of a file does not decide."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any, TypeVar

__all__ = ["dealt", "dealt_together", "grouped"]

T = TypeVar("T")
_Key = tuple[Any, Any]


def dealt(keys: Sequence[Any], pattern: Sequence[T]) -> list[T]:
    """What falls to each when a pattern is dealt out, over and over, in the order of the keys.

    With keys that begin with a stratum, each stratum is divided in the pattern's proportions, and so is the whole.
    """
    order = sorted(range(len(keys)), key=keys.__getitem__)
    turns = {number: pattern[turn % len(pattern)] for turn, number in enumerate(order)}
    return [turns[number] for number in range(len(keys))]


def grouped(names: Sequence[str]) -> list[list[int]]:
    """The numbers of those of one name; who has none is a group alone."""
    found: dict[str | int, list[int]] = {}
    for number, name in enumerate(names):
        found.setdefault(name or number, []).append(number)
    return list(found.values())


def dealt_together(keys: Sequence[_Key], pattern: Sequence[T], groups: Sequence[Sequence[int]]) -> list[T]:
    """As `dealt`, where the members of a group all get the same; without groups of several it is `dealt`.

    Stratum by stratum, each part has as many places as the pattern gives it. Groups take places first, the largest
    before others, in a part with room for them that is drawn by the hash of their keys in proportion to its places;
    where none has room, in the one with most. Those alone get what is left, in the order of the pattern. What a part
    got too much of in one stratum it gets less of in the next. Where groups are so large that they leave a part
    empty, it gets the smallest group of the part that has most of them.

    Args:
        keys: (stratum, own) of each; a group is in the stratum of most of its members.
        pattern: dealt out over and over.
        groups: which stay together; each number is in one.
    """
    strata: dict[Any, list[tuple[Any, Sequence[int]]]] = {}
    for members in groups:
        counts = Counter(keys[number][0] for number in members)
        stratum = min(counts, key=lambda each: (-counts[each], each))
        strata.setdefault(stratum, []).append((min(keys[number][1] for number in members), members))
    found: dict[int, T] = {}
    places, start = Counter[T](), 0
    for stratum in sorted(strata):
        size = sum(len(members) for _, members in strata[stratum])
        places.update(pattern[turn % len(pattern)] for turn in range(start, start + size))
        turn = start
        for key, members in sorted(strata[stratum], key=lambda each: (len(each[1]) == 1, -len(each[1]), each[0])):
            if len(members) > 1:
                part = _drawn(key, places, len(members))
            else:
                while places[pattern[turn % len(pattern)]] <= 0:
                    turn += 1
                part = pattern[turn % len(pattern)]
                turn += 1
            places[part] -= len(members)
            found |= dict.fromkeys(members, part)
        start += size
    _fill(found, dict.fromkeys(pattern[: len(keys)]), [(min(keys[n] for n in each), each) for each in groups])
    return [found[number] for number in range(len(keys))]


def _fill(found: dict[int, T], parts: Iterable[T], groups: Sequence[tuple[_Key, Sequence[int]]]) -> None:
    """Gives each part that has nothing a group of another one, as long as one has several."""
    held: dict[T, list[tuple[int, _Key, Sequence[int]]]] = {part: [] for part in parts}
    for key, members in groups:
        held[found[members[0]]].append((len(members), key, members))
    for part, own in held.items():
        giver = max(held.values(), key=len)
        if not own and len(giver) > 1:
            least = min(giver)
            giver.remove(least)
            own.append(least)
            found |= dict.fromkeys(least[2], part)


def _drawn(key: Any, places: Counter[T], size: int) -> T:
    """A part with room, drawn in proportion to its places."""
    room = {part: left for part, left in places.items() if left >= size}
    if not room:
        return max(places, key=places.__getitem__)
    ticket = int.from_bytes(hashlib.sha256(f"together/{key}".encode()).digest()[:8]) % sum(room.values())
    ends = accumulate(room.values())
    return next(part for part, end in zip(room, ends, strict=True) if ticket < end)
