"""What a pure function has returned, kept in memory for the runs of a batch."""

from __future__ import annotations

import copy
import hashlib
from collections import OrderedDict
from dataclasses import replace

from ..records.message import Message
from .base import Inputs

__all__ = ["KnownResults"]

_ROOM = 32 * 1024 * 1024
"""Bytes of results that are kept."""
_MOST = 10_000


class KnownResults:
    """Messages by what they were made from; the one that was not asked for the longest goes first.

    Values of JSON are copied on the way in and on the way out, so that who changes one changes it for itself alone.

    Args:
        result_bytes: the most of one message, from which it follows how many are kept.
    """

    def __init__(self, result_bytes: int) -> None:
        self._most = max(1, min(_MOST, _ROOM // result_bytes))
        self._known: OrderedDict[bytes, Message] = OrderedDict()

    @staticmethod
    def key(inputs: Inputs) -> bytes:
        """Of all that a function is given: the task, the question (a part has its own) and what came in."""
        said = repr((inputs.task.task_id, inputs.question, *inputs.messages.items()))
        return hashlib.sha256(said.encode(errors="surrogatepass")).digest()

    def get(self, key: bytes) -> Message | None:
        """The message, or None."""
        found = self._known.get(key)
        if found is not None:
            self._known.move_to_end(key)
        return None if found is None else _apart(found)

    def put(self, key: bytes, message: Message) -> None:
        """Keeps a message.

        Raises:
            Exception: whatever a value in it raises that cannot be copied.
        """
        self._known[key] = _apart(message)
        if len(self._known) > self._most:
            self._known.popitem(last=False)

    def __len__(self) -> int:
        return len(self._known)


def _apart(message: Message) -> Message:
    """The message with values of its own."""
    if message.data is None and all(candidate.data is None for candidate in message.candidates):
        return message
    candidates = tuple(replace(one, data=copy.deepcopy(one.data)) for one in message.candidates)
    return replace(message, data=copy.deepcopy(message.data), candidates=candidates)
