"""Prompts that were read before, so that a further prompt with the same beginning need not be read in full."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Prefix", "PrefixStore"]

_BLOCK = 8


@dataclass(frozen=True, slots=True)
class Prefix:
    """What is kept of a prompt."""

    tokens: tuple[int, ...]
    kept: NDArray[np.int8]
    """Keys and values, as `Cache.take` gives them."""
    logits: NDArray[np.float32]
    """(vocabulary,), behind the last token."""


class PrefixStore:
    """The prompts used last, found by their beginnings in steps of eight tokens.

    Reuse changes no bit of a reply, because keys and values do not depend on the batch that computed them.

    Args:
        capacity: the most prompts kept.
    """

    def __init__(self, capacity: int = 256) -> None:
        self._capacity = capacity
        self._whole: OrderedDict[tuple[int, ...], Prefix] = OrderedDict()
        self._beginnings: dict[tuple[int, ...], tuple[int, ...]] = {}

    def find(self, tokens: tuple[int, ...]) -> tuple[Prefix | None, int]:
        """The prompt that shares the longest beginning, and the length of that beginning."""
        whole = self._whole.get(tokens)
        if whole is not None:
            self._whole.move_to_end(tokens)
            return whole, len(tokens)
        for length in range((len(tokens) - 1) // _BLOCK * _BLOCK, 0, -_BLOCK):
            owner = self._beginnings.get(tokens[:length])
            if owner is not None:
                self._whole.move_to_end(owner)
                return self._whole[owner], length
        return None, 0

    def add(self, prefix: Prefix) -> None:
        """Keeps a prompt; the one used longest ago makes room."""
        if prefix.tokens in self._whole:
            return
        self._whole[prefix.tokens] = prefix
        for length in range(_BLOCK, len(prefix.tokens), _BLOCK):
            self._beginnings[prefix.tokens[:length]] = prefix.tokens
        if len(self._whole) > self._capacity:
            oldest, _ = self._whole.popitem(last=False)
            for length in range(_BLOCK, len(oldest), _BLOCK):
                if self._beginnings.get(oldest[:length]) == oldest:
                    del self._beginnings[oldest[:length]]
