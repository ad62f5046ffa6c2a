from __future__ import annotations

import numpy as np

from apportion.models.pocket.prefixes import Prefix, PrefixStore


def prefix(tokens: tuple[int, ...]) -> Prefix:
    return Prefix(tokens, np.zeros((1, 2, 1, len(tokens), 4), np.int8), np.zeros(3, np.float32))


def test_the_longest_known_beginning_is_found_in_steps_of_eight() -> None:
    store = PrefixStore()
    store.add(prefix(tuple(range(20))))

    assert store.find(tuple(range(20)))[1] == 20
    assert store.find((*range(20), 5))[1] == 16
    assert store.find((*range(10), 99, 99, 99, 99, 99, 99, 99))[1] == 8
    # Something must be left to read, or there would be no logits.
    assert store.find(tuple(range(16)))[1] == 8
    assert store.find((1, 2, 3)) == (None, 0)


def test_the_prompt_used_longest_ago_makes_room() -> None:
    store = PrefixStore(capacity=2)
    first, second, third = ((n, *range(15)) for n in range(3))
    store.add(prefix(first))
    store.add(prefix(second))
    store.find(first)
    store.add(prefix(third))

    assert store.find(second) == (None, 0)
    assert store.find((*second, 7)) == (None, 0)
    assert store.find(first)[1] == store.find(third)[1] == 16


def test_a_beginning_survives_while_one_of_its_owners_does() -> None:
    store = PrefixStore(capacity=2)
    shared = tuple(range(9))
    store.add(prefix((*shared, 1)))
    store.add(prefix((*shared, 2)))
    store.add(prefix((50,) * 9))

    assert store.find((*shared, 3))[1] == 8
