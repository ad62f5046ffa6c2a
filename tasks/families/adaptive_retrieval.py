"""Questions that need no search or several hops of it, in one wording: what a gate on a search must tell apart."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator

from .base import Asked, Family, Share
from .hops import World, build_world, question_about

__all__ = ["ADAPTIVE_RETRIEVAL"]

_INSTRUCTIONS = (
    "The passages say who stays or works where. Whoever stays or works with somebody is in the same room as that "
    "person, who may in turn stay or work with somebody else. To have seen, met or called somebody says nothing about "
    "rooms. Passages that are given may not place the person; what they lack can be looked up. Answer with the number "
    "of the room, two digits."
)
_DEPTH = 4
"""How many facts lead from each of the people who are placed in the given passages to a room."""
_PLACED = 2
"""How many people are."""


def _stream(rng: random.Random, seed: int, difficulty: int, part: Share) -> Iterator[Asked]:
    world = build_world(seed, part)
    placed = [name for name, depth in world.depths.items() if depth == _DEPTH]
    asked = [name for name, depth in world.depths.items() if depth == (difficulty or _DEPTH)]
    for name in rng.sample(asked, len(asked)):
        chains = [world.chain(name)] if difficulty == 0 else []
        chains += [world.chain(other) for other in _apart(rng, world, name, placed, _PLACED - len(chains))]
        facts = [fact for chain in chains for fact in chain]
        naming = _naming(rng, world, name, other=chains[-1][0].split()[0], times=1 if difficulty == 0 else 2)
        context = rng.sample([*facts, *naming], len(facts) + len(naming))
        about = {"facts": list(world.chain(name))}
        yield Asked(question_about(name), world.rooms[name], context=tuple(context), metadata=about)


def _apart(rng: random.Random, world: World, name: str, placed: list[str], count: int) -> list[str]:
    """People whose facts have none in common with each other's, nor with those of the person who is asked about."""
    chosen: list[str] = []
    taken = set(world.chain(name))
    for other in rng.sample(placed, len(placed)):
        if len(chosen) < count and taken.isdisjoint(world.chain(other)):
            chosen.append(other)
            taken |= set(world.chain(other))
    return chosen


def _naming(rng: random.Random, world: World, name: str, *, other: str, times: int) -> list[str]:
    """Two passages that place nobody: so many that name the person who is asked about, the others somebody else."""
    facts = set(world.facts.values())

    def some(wanted: str, count: int, without: Collection[str] = ()) -> list[str]:
        found = [p for p in world.passages if p not in facts and wanted in p and not any(w in p for w in without)]
        return rng.sample(found, count)

    return [*some(name, times), *some(other, 2 - times, (name,))]


def _corpus(seed: int, part: Share) -> tuple[str, ...]:
    return build_world(seed, part).passages


ADAPTIVE_RETRIEVAL = Family(
    name="adaptive_retrieval",
    metric="numeric",
    instructions=_INSTRUCTIONS,
    dial="hops to search; 0: the context answers",
    difficulties=range(_DEPTH),
    stream=_stream,
    corpus=_corpus,
)
"""No, one-step or multi-step retrieval (Adaptive-RAG, Jeong et al. 2024), where no word tells which.

Every question comes with ten passages of the same make: the facts that lead two people to their rooms, and two that
place nobody. Two of the ten name the person who is asked about. Only who is placed tells whether they answer.
"""
