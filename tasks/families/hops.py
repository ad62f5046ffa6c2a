"""Multi-hop questions over a corpus of one-line passages; the question does not tell how many hops it takes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from .base import Asked, Family, Share, share_of

__all__ = ["HOPS", "NAMES", "PRESENCE_VERBS", "SYLLABLES", "World", "build_world", "question_about"]

SYLLABLES = tuple(consonant + vowel for consonant in "klmnrst" for vowel in "aeo" if consonant + vowel != "se")
"""`se` is left out, so that 20 remain."""
NAMES = tuple(first + second for first in SYLLABLES for second in SYLLABLES)
"""All names; single words, so that a word index finds them."""
PRESENCE_VERBS = ("stays", "works")
"""Verbs that place somebody in a room or beside somebody."""
_OTHER_VERBS = ("saw", "met", "calls")
_DEPTHS = range(1, 5)
_INSTRUCTIONS = (
    "The passages say who stays or works where. Whoever stays or works with somebody is in the same room as that "
    "person, who may in turn stay or work with somebody else. To have seen, met or called somebody says nothing about "
    "rooms. Answer with the number of the room, two digits."
)


@dataclass(frozen=True, slots=True)
class World:
    """Who is where."""

    passages: tuple[str, ...]
    """The corpus, one sentence a passage, in random order."""
    facts: dict[str, str]
    """Each name's passage that places it."""
    beside: dict[str, str]
    """Whom a name stays or works with; names in a room of their own are missing."""
    rooms: dict[str, str]
    """The room of each name."""
    depths: dict[str, int]
    """How many facts it takes to find a name's room."""

    def chain(self, name: str) -> tuple[str, ...]:
        """The facts that answer the question about a name, in order."""
        facts = [self.facts[name]]
        while name in self.beside:
            name = self.beside[name]
            facts.append(self.facts[name])
        return tuple(facts)


def question_about(name: str) -> str:
    """The question, the same for every number of hops."""
    return f"Which room is {name} in?"


@lru_cache(maxsize=8)
def build_world(seed: int, part: Share) -> World:
    """All names, a quarter at each depth; every name's chain of facts hashes into `part`.

    Distractors share words with the facts: people who stay or work with the person asked about, and passages in
    which two people see, meet or call each other.
    """
    rng = random.Random(f"hops/{seed}/{part}")
    names = list(NAMES)
    rng.shuffle(names)
    level = len(names) // len(_DEPTHS)
    facts: dict[str, str] = {}
    beside: dict[str, str] = {}
    rooms: dict[str, str] = {}
    depths: dict[str, int] = {}
    contents: dict[str, str] = {}
    for position, name in enumerate(names):
        depth = position // level + 1
        while True:
            verb = rng.choice(PRESENCE_VERBS)
            if depth == 1:
                target, room = "", f"{rng.randint(10, 99)}"
                fact = f"{name} {verb} in room {room}."
            else:
                target = names[rng.randrange((depth - 2) * level, (depth - 1) * level)]
                room = rooms[target]
                fact = f"{name} {verb} with {target}."
            content = f"{fact} {contents.get(target, '')}"
            if share_of(content) == part:
                break
        facts[name], rooms[name], depths[name], contents[name] = fact, room, depth, content
        if target:
            beside[name] = target
    noise = [f"{name} {rng.choice(_OTHER_VERBS)} {rng.choice(names)}." for name in names for _ in range(2)]
    passages = [*facts.values(), *noise]
    rng.shuffle(passages)
    return World(tuple(passages), facts, beside, rooms, depths)


def _stream(rng: random.Random, seed: int, difficulty: int, part: Share) -> Iterator[Asked]:
    world = build_world(seed, part)
    names = [name for name, depth in world.depths.items() if depth == difficulty]
    rng.shuffle(names)
    for name in names:
        yield Asked(question_about(name), world.rooms[name], metadata={"facts": list(world.chain(name))})


def _corpus(seed: int, part: Share) -> tuple[str, ...]:
    return build_world(seed, part).passages


HOPS = Family(
    name="hops",
    metric="numeric",
    instructions=_INSTRUCTIONS,
    dial="facts to follow",
    difficulties=_DEPTHS,
    stream=_stream,
    corpus=_corpus,
)
