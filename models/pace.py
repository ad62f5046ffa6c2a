"""How many requests and tokens may leave in a minute, and when the turn of a call is."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

__all__ = ["Pace", "Turn"]

_MINUTE = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class Turn:
    """When a call may leave."""

    start: float
    tokens: int


class Pace:
    """Gives calls their turns, in the order in which they ask, from any thread: a sliding window of a minute.

    Args:
        requests_per_minute: the most requests, evenly spaced; None for no limit.
        tokens_per_minute: the most tokens in any 60 seconds; None for no limit.
    """

    def __init__(self, requests_per_minute: int | None = None, tokens_per_minute: int | None = None) -> None:
        self._spacing = _MINUTE / requests_per_minute if requests_per_minute else 0.0
        self._most = tokens_per_minute
        self._limited = bool(requests_per_minute or tokens_per_minute)
        self._turns: deque[Turn] = deque()
        """Those of the last minute and those to come, by their start."""
        self._lock = threading.Lock()

    def admits(self, tokens: int) -> bool:
        """Whether a call of so many tokens can ever have a turn."""
        return self._most is None or tokens <= self._most

    def start(self, now: float, tokens: int) -> float:
        """When a call could leave that asks at `now`.

        Args:
            now: seconds, of a clock that never goes back.
            tokens: the most that it takes; `admits` holds.
        """
        if not self._limited:
            return now
        with self._lock:
            return self._start(now, tokens)

    def book(self, now: float, tokens: int) -> Turn:
        """Gives a call its turn."""
        if not self._limited:
            return Turn(now, tokens)
        with self._lock:
            turn = Turn(self._start(now, tokens), tokens)
            self._turns.append(turn)
            return turn

    def give_back(self, turn: Turn) -> None:
        """Takes back the turn of a call that will not leave."""
        if self._limited:
            with self._lock:
                if turn in self._turns:  # else it is a minute old
                    self._turns.remove(turn)

    def _start(self, now: float, tokens: int) -> float:
        turns = self._turns
        while turns and turns[0].start + _MINUTE <= now:
            turns.popleft()
        earliest = max(now, turns[-1].start + self._spacing) if turns else now
        if self._most is None:
            return earliest
        taken = sum(turn.tokens for turn in turns)
        for turn in turns:
            gone = turn.start + _MINUTE
            if gone > earliest and taken + tokens <= self._most:
                break
            earliest = max(earliest, gone)
            taken -= turn.tokens
        return earliest
