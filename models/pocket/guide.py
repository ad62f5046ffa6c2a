"""What leads an embedded model through a reply in which not all is its own: JSON of a schema, calls of tools."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..tools import ToolCall
from .answers import answer_place
from .automaton import Automaton, Move, State
from .calling import Offered
from .leaves import SEPARATORS
from .tokenizer import END, PIECES

__all__ = ["Guide", "Part"]

_ROOM = 32
"""Tokens beyond the fewest that are held back for the values, as far as half of the reply has them."""


@dataclass(frozen=True, slots=True)
class Part:
    """A token that is counted."""

    token: int
    text: str
    """What it adds to the reply; empty for an end, and for a zero that JSON does not have."""
    chosen: bool = True
    """Whether the model chose it."""
    thought: bool = False
    """Whether it belongs to what the model wrote before the JSON that it is held to."""


@dataclass(slots=True, eq=False)
class Guide:
    """One reply on its way.

    First the model writes as it does, up to its end or up to a call of a tool. Where it is held to a schema, it then
    goes back to where its answer begins, and gives the answer anew, as JSON: as it was as far as the schema admits it,
    and from there on by its own choice among what the schema admits.

    To be used from one thread. What it must read next is in `reading`; without that, `take` tells it what was chosen.

    Args:
        prompt: in tokens.
        cap: the most tokens to count.
        automaton: what it is held to; None: nothing.
        thinks: whether it writes before the JSON.
        draft: see `answer_place`.
        begun: what of the reply stands at the end of the prompt.
        tools: those that it may call by itself.
        reading: what the model reads first.
    """

    prompt: Sequence[int]
    cap: int
    automaton: Automaton | None = None
    thinks: bool = True
    draft: bool = False
    begun: str = ""
    tools: Offered | None = None
    reading: deque[int] = field(default_factory=deque)
    parts: list[Part] = field(default_factory=list)
    call: ToolCall | None = None
    """The call of a tool that the reply ends with."""
    stopped: bool = False
    """Whether it came to an end of its own."""
    goes_back: bool = False
    """Whether the model must go back to the end of `context` before it goes on."""
    context: list[int] = field(init=False)
    """All that the model has read, or is to read now, `reading` aside."""
    _trace: str = ""
    _place: list[int] = field(default_factory=list)
    """All that the model has read where its answer begins."""
    _answer_was: tuple[int, ...] = ()
    """What it wrote there, its end included; empty where it wrote none."""
    _starts: bool = True
    _wanted: deque[int] = field(default_factory=deque)
    """What of that it has not given anew."""
    _state: State | None = None
    _moves: dict[int, Move] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.context = [*self.prompt]
        if self.automaton is not None and not (self.thinks and self._held(self.automaton) < self.cap):
            self._place = [*self.prompt, *self.reading]
            self._follow(self.automaton.start)
            self.context, self.goes_back = [*self.prompt], False

    def allowed(self) -> NDArray[np.bool_] | None:
        """(vocabulary,): the tokens that may be chosen now; None where all may."""
        if self._state is None or self._state.leaf is None or self.automaton is None or self.reading:
            return None
        mask = self.automaton.allowed(self._state, self._moves, self.cap - len(self.parts))
        if not self._wanted:
            return mask
        # Between two values the model wrote a separator, where the first now comes to an end.
        same = END if PIECES[self._wanted[0]] in SEPARATORS and not mask[self._wanted[0]] else self._wanted[0]
        if not mask[same]:
            self._wanted.clear()
            return mask
        only = np.zeros_like(mask)
        only[same] = True
        return only

    def read(self) -> int:
        """The next token that the model must read."""
        self.context.append(self.reading.popleft())
        self._given(self.context[-1])
        return self.context[-1]

    def take(self, token: int) -> bool:
        """Goes on with the token that was chosen; returns whether the reply is whole."""
        self.goes_back = False
        if self._state is None:
            return self._think(token)
        if self._state.leaf is not None:
            if token == END and self._wanted and self._wanted[0] == END:
                self._wanted.popleft()
            self._follow(self._moves[token])
        self.stopped = self._state.leaf is None
        return self.stopped

    @property
    def text(self) -> str:
        """The reply: the JSON where it is held to a schema; else what it wrote, and what had been begun."""
        if self.call is not None or self.automaton is None:
            written = "".join(part.text for part in self.parts)
            return written if self.call is not None else self.begun + written
        return "".join(part.text for part in self.parts if not part.thought)

    @property
    def thought(self) -> str:
        """What it wrote before the JSON that it is held to."""
        whole = self.automaton is None or self.call is not None
        return "" if whole else self.begun + "".join(part.text for part in self.parts if part.thought)

    @property
    def thought_tokens(self) -> int:
        """How many tokens the thought has."""
        whole = self.automaton is None or self.call is not None
        return 0 if whole else sum(part.thought for part in self.parts)

    def _think(self, token: int) -> bool:
        self.parts.append(Part(token, "" if token == END else PIECES[token], thought=self.automaton is not None))
        if token != END:
            self.context.append(token)
            self._trace += PIECES[token]
        if self.tools is not None:
            whole = self.begun + self._trace
            self.call = self.tools.query_in(self._trace) if token == END else self.tools.step_in(whole)
            if self.call is not None:
                self.stopped = True
                return True
        if self.automaton is None:
            self.stopped = token == END
            return token == END or len(self.parts) == self.cap
        if token == END or len(self.parts) >= self.cap - self._held(self.automaton):
            return self._answer(self.automaton)
        return False

    def _held(self, automaton: Automaton) -> int:
        """The tokens that are held back for the JSON."""
        return max(automaton.least, min(automaton.least + _ROOM, self.cap // 2))

    def _answer(self, automaton: Automaton) -> bool:
        """Goes back to where the answer begins; returns whether nothing of the JSON is to be chosen."""
        text = self.begun + self._trace
        said = text.strip()
        place = answer_place(said, draft=self.draft)
        tail = 0 if place is None else len(said) - place + len(text) - len(text.rstrip())
        was = deque[int]()
        while tail > 0:
            was.appendleft(self.context.pop())
            tail -= len(PIECES[was[0]])
        self._answer_was = (*was, END) if was else ()
        self._place = list(self.context)
        self._follow(automaton.start)
        self.goes_back = True
        self.stopped = self._state is not None and self._state.leaf is None
        return self.stopped

    def _follow(self, move: Move) -> None:
        assert self.automaton is not None
        self.parts += [Part(token, text, token < len(PIECES)) for token, text in move.units]
        self._state, self._moves = move.state, self.automaton.moves(move.state)
        if move.anew:
            self.context = list(self._place)
        if move.anew or self._starts:
            self._wanted = deque(self._answer_was)
        self._starts = False
        self.goes_back = move.anew or not move.read
        self.reading.extend(move.read)

    def _given(self, token: int) -> None:
        """Goes on in what was wanted, as long as it is given as it was."""
        if self._wanted and self._wanted.popleft() != token:
            self._wanted.clear()
