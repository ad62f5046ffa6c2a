"""Which tokens may come where an embedded model is held to a schema, and what is written for each.

The states are found as they are reached, and what may come in each is kept, as in Willard and Louf (2023), "Efficient
guided generation for large language models". Where only one text can follow, it is written without the model.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .grammar import Choices, Either, Forced, FreeText, Items, More, Numeral, Term, least
from .partial_values import SEPARATORS, Chosen, Leaf, Undecided, begun, ended, filled, least_left, walked
from .tokenizer import END, PIECES, encode, forced_token

__all__ = ["Automaton", "Move", "State", "Unit"]

Unit: TypeAlias = tuple[int, str]
"""A token that is counted, and the text that is written for it."""
_SPACE = " "
_MOST_STATES = 4_000
"""Of one automaton that are kept."""


@dataclass(frozen=True, slots=True)
class Move:
    """What a token leads to."""

    units: tuple[Unit, ...]
    """What is written: for the token that was chosen, and then what had to come, a character a token."""
    read: tuple[int, ...]
    """What the model reads of it."""
    anew: bool
    """Whether it reads that from where it gave its answer, and not behind what it read last."""
    state: State


@dataclass(slots=True, eq=False)
class State:
    """A place in a text where the model chooses; where there is no leaf, the text is whole."""

    leaf: Leaf | None
    rest: tuple[Term, ...]
    least: int
    """So many tokens are enough to come to the end."""
    moves: dict[int, Move] = field(default_factory=dict)
    """By token; empty until they are kept."""
    masks: dict[int, NDArray[np.bool_]] = field(default_factory=dict)
    """By how many tokens are left, as far as that matters."""


class Automaton:
    """All that a model may write under a schema. Several threads may use it: what they find is the same.

    Args:
        terms: what it is held to.
    """

    def __init__(self, terms: Sequence[Term]) -> None:
        self._states: dict[tuple[Leaf | None, tuple[Term, ...]], State] = {}
        self.least = sum(map(least, terms))
        """So many tokens are enough for some text."""
        self.start = self._settled(None, tuple(terms), ())
        """What comes before the first choice."""

    def moves(self, state: State) -> dict[int, Move]:
        """What each token leads to that may come in a state."""
        if state.moves or state.leaf is None:
            return state.moves
        found = self._found(state.leaf, state.rest)
        if len(self._states) < _MOST_STATES:
            state.moves = found
        return found

    def allowed(self, state: State, moves: dict[int, Move], left: int) -> NDArray[np.bool_]:
        """(vocabulary,): which of a state's moves leave the text room to end within so many tokens."""
        needs = {token: len(move.units) + move.state.least for token, move in moves.items()}
        left = min(left, max(needs.values()))
        mask = state.masks.get(left)
        if mask is None:
            mask = np.zeros(len(PIECES), np.bool_)
            mask[[token for token, need in needs.items() if need <= left]] = True
            if state.moves:
                state.masks[left] = mask
        return mask

    def _found(self, leaf: Leaf, rest: tuple[Term, ...]) -> dict[int, Move]:
        found: dict[int, Move] = {}
        for token, piece in enumerate(PIECES):
            step = None if token == END else walked(leaf, piece)
            if step is not None:
                after, text = step
                lead = max(0, len(text) - len(piece))
                units = (*_forced(text[:lead]), (token, text[lead:]))
                found[token] = self._settled(after, rest, units, (token,))
        closing = ended(leaf)
        if closing is not None:
            end = self._settled(None, (*closing[1], *rest), ((END, ""), *_forced(closing[0])))
            found[END] = end
            if rest and isinstance(rest[0], More):
                found |= {token: end for token in _separators() if token not in found}
        if isinstance(leaf, More) and leaf.count < leaf.items.most:
            following = (*leaf.items.item, More(leaf.items, leaf.count + 1), *rest)
            for token in _separators():
                found[token] = self._settled(None, following, ((token, ","),), (token,))
        return found

    def _settled(
        self, leaf: Leaf | None, rest: tuple[Term, ...], units: tuple[Unit, ...], read: tuple[int, ...] = ()
    ) -> Move:
        """The move to the next choice: what needs none is written on the way."""
        text, shown, anew = "", "", False
        while leaf is not None or rest:
            if leaf is None:
                term, rest = rest[0], rest[1:]
                if isinstance(term, Forced):
                    text += term.text
                    anew, shown = anew or term.anew, term.shown if term.anew else shown + term.shown
                    continue
                if isinstance(term, Items):
                    text += "["
                    rest = (*term.item, More(term, 1), *rest)
                    continue
                leaf = _opened(term, rest)
                text += '"' if isinstance(term, FreeText) else ""
            if isinstance(leaf, Chosen) and len(leaf.term.branches) == 1 and leaf.term.end is None:
                (branch,) = leaf.term.branches
                text, shown, leaf = text + branch.text, shown + branch.shown, Chosen(branch.then)
            elif isinstance(leaf, More) and leaf.count < leaf.items.least:
                text, shown = text + ",", shown + _SPACE
                rest, leaf = (*leaf.items.item, More(leaf.items, leaf.count + 1), *rest), None
            elif filled(leaf):
                closing, following = ended(leaf) or ("", ())
                text, rest, leaf = text + closing, (*following, *rest), None
            else:
                break
        state = self._state(leaf, rest)
        seen = () if leaf is None else (() if anew else read) + tuple(encode(shown))
        return Move((*units, *_forced(text)), seen, anew and leaf is not None, state)

    def _state(self, leaf: Leaf | None, rest: tuple[Term, ...]) -> State:
        known = self._states.get((leaf, rest))
        if known is None:
            known = State(leaf, rest, 0 if leaf is None else least_left(leaf) + sum(map(least, rest)))
            if len(self._states) < _MOST_STATES:
                known = self._states.setdefault((leaf, rest), known)
        return known


def _opened(term: Term, rest: tuple[Term, ...]) -> Leaf:
    listed = bool(rest) and isinstance(rest[0], More)
    if isinstance(term, Either):
        return Undecided(tuple(begun(sort, listed=listed) for sort in term.sorts))
    if isinstance(term, FreeText | Numeral | Choices):
        return begun(term, listed=listed)
    assert isinstance(term, More)
    return term


def _separators() -> Iterable[int]:
    return (token for token, piece in enumerate(PIECES) if piece in SEPARATORS)


def _forced(text: str) -> tuple[Unit, ...]:
    return tuple((forced_token(sign), sign) for sign in text)
