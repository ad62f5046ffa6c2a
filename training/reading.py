"""Training examples of searching and of reading evidence, over worlds with a real word index."""

from __future__ import annotations

import random
import sqlite3
from dataclasses import dataclass

from apportion.nodes.prompts.base import Ask, SearchRound, Style
from apportion.tasks.families.hops import PRESENCE_VERBS, World, build_world, question_about

from .examples import DIALECT, Example, reply

__all__ = ["Library", "draw_reading", "draw_rejection", "draw_search", "open_library", "trace"]

MOST_RESULTS = 4


@dataclass(frozen=True, slots=True)
class Library:
    """A world and what its word index returns for every query that the search role can write."""

    world: World
    found: dict[str, tuple[str, ...]]
    """The best passages of each query, best first."""
    names: tuple[str, ...]
    """Everybody in the world."""


def open_library(seed: int) -> Library:
    """A world of the training share, indexed by SQLite FTS5 and ranked by BM25."""
    world = build_world(seed, "training")
    index = sqlite3.connect(":memory:")
    index.execute("CREATE VIRTUAL TABLE passage USING fts5(body)")
    index.executemany("INSERT INTO passage VALUES (?)", [(passage,) for passage in world.passages])
    found = {}
    for name in world.facts:
        for verb in PRESENCE_VERBS:
            rows = index.execute(
                "SELECT body FROM passage WHERE passage MATCH ? ORDER BY rank LIMIT ?",
                (f'"{name}" OR "{verb}"', MOST_RESULTS),
            )
            found[f"{name} {verb}"] = tuple(row[0] for row in rows)
    index.close()
    return Library(world, found, tuple(world.facts))


@dataclass(frozen=True, slots=True)
class Rollout:
    """A finished search: what was asked and found, and the room if it came to light."""

    name: str
    rounds: tuple[SearchRound, ...]
    room: str


def roll_out(rng: random.Random, library: Library, name: str, results: int, longest: int) -> Rollout:
    """Searches as the role should: ask by either verb, follow a fact about the person, else try the other verb."""
    rounds: list[SearchRound] = []
    person = name
    untried = rng.sample(PRESENCE_VERBS, len(PRESENCE_VERBS))
    while untried and len(rounds) < longest:
        query = f"{person} {untried.pop()}"
        rounds.append(SearchRound(query, library.found[query][:results]))
        read = {passage for finished in rounds for passage in finished.passages}
        before = person
        while library.world.facts[person] in read:
            if person not in library.world.beside:
                return Rollout(name, tuple(rounds), library.world.rooms[person])
            person = library.world.beside[person]
        if person != before:
            untried = rng.sample(PRESENCE_VERBS, len(PRESENCE_VERBS))
    return Rollout(name, tuple(rounds), "")


def draw_search(rng: random.Random, library: Library, longest: int) -> Example:
    """A whole search; the model writes queries and the answer, the passages are given."""
    name = rng.choice(library.names)
    return _searched(roll_out(rng, library, name, rng.choice((1, 1, 2, 3)), longest), longest)


def draw_rejection(rng: random.Random, library: Library, longest: int) -> Example:
    """A search whose first round names the person, but in passages that do not place that person.

    Args:
        rng: the source of chance.
        library: what is searched.
        longest: the most rounds, at least 2, so that the other verb can be tried.
    """
    while True:
        name = rng.choice(library.names)
        rollout = roll_out(rng, library, name, rng.choice((1, 1, 1, 2)), longest)
        found = rollout.rounds[0].passages
        if library.world.facts[name] not in found and any(name in passage for passage in found):
            return _searched(rollout, longest)


def _searched(rollout: Rollout, longest: int) -> Example:
    ask = Ask(question_about(rollout.name))
    segments: list[tuple[str, bool]] = []
    sent = ""
    for number, finished in enumerate(rollout.rounds):
        prompt = DIALECT.search(ask, rollout.rounds[:number], last=False).messages[-1].content
        segments += [(prompt[len(sent) :], False), (f">{finished.query}\n", True)]
        sent = f"{prompt}>{finished.query}\n"
    stopped = not rollout.room and len(rollout.rounds) == longest
    prompt = DIALECT.search(ask, rollout.rounds, last=stopped).messages[-1].content
    answer = f"{rollout.room or '?'}\n"
    segments += [(prompt[len(sent) :], False), (answer if stopped else f"={answer}", True)]
    return Example.of(*segments)


def trace(world: World, name: str, style: Style) -> str:
    """The answer as each style writes it: the room, the people up to the room, or the facts."""
    room = world.rooms[name]
    if style is Style.DIRECT:
        return room
    if style is Style.THINK:
        return " ".join(world.chain(name))[:-1]
    people = []
    while name in world.beside:
        name = world.beside[name]
        people.append(name)
    return " ".join((*people, room))


def draw_reading(rng: random.Random, library: Library, style: Style, most: int) -> Example:
    """A question with passages that answer it among others, as a search would forward them."""
    world = library.world
    name = rng.choice(library.names)
    passages = dict.fromkeys(world.chain(name))
    wanted = rng.randint(len(passages), max(len(passages), most))
    while len(passages) < wanted:
        about = rng.choice((*(fact.split()[0] for fact in world.chain(name)), rng.choice(library.names)))
        passages[rng.choice(library.found[f"{about} {rng.choice(PRESENCE_VERBS)}"])] = None
        wanted -= rng.random() < 0.05
    order = list(passages)
    rng.shuffle(order)
    return reply(DIALECT.solve(Ask(question_about(name), passages=tuple(order)), style), trace(world, name, style))
