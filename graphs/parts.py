"""The parts of a decomposition: their order, their answers in waves, and their results as one message."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from ..nodes.parts import fill
from ..records.message import CANDIDATES, Candidate, Message, Part
from ..records.status import Status
from ..records.text import longest_bytes

__all__ = ["Answer", "answered", "gathered", "waves"]

Answer: TypeAlias = Callable[[str], Coroutine[Any, Any, tuple[Message, float]]]
"""Answers the question of a part; with the seconds that it took."""
_LONG = "part {}: with the answers that it needs filled in, its question has more than the {:,} bytes that a part may"


async def answered(
    made: Message, split: str, answer: Answer, *, most: int, most_bytes: int, base: float
) -> tuple[Message, float]:
    """Has the parts of a decomposition answered, each wave at once, with the answers that it needs filled in.

    Args:
        made: the decomposition.
        split: the node that made it.
        answer: answers one part.
        most: how many parts may be answered.
        most_bytes: of the question of a part.
        base: the seconds before the first wave.

    Returns:
        What the merger reads, and the seconds along the critical path to its end.
    """
    if not made.parts:
        status = made.status if made.status.failed else Status.SKIPPED
        return Message(status=status, reason=made.reason or f"{split} made no parts"), base
    said: dict[str, Message] = {}
    ends: dict[str, float] = {}
    ordered, stuck = waves(made.parts[:most])
    for part in made.parts[most:]:
        said[part.name] = Message(status=Status.SKIPPED, reason=f"{split} may make only {most} parts")
    for part in stuck:
        said[part.name] = Message(status=Status.PARSE_ERROR, reason=f"part {part.name} can never run")
    for wave in ordered:
        asked = _questions(wave, said, most_bytes)
        found = await _at_once([answer(question) for question in asked.values()])
        for part, (message, seconds) in zip(asked, found, strict=True):
            said[part.name] = message
            ends[part.name] = max((ends[need] for need in part.needs), default=base) + seconds
    return gathered(made.parts, said, most), max(ends.values(), default=base)


def _questions(wave: Sequence[Part], said: dict[str, Message], most_bytes: int) -> dict[Part, str]:
    """What is asked of the parts of a wave; of those that cannot be asked it is said why."""
    lacking = [part for part in wave if any(said[need].status.failed for need in part.needs)]
    for part in lacking:
        said[part.name] = Message(status=Status.SKIPPED, reason="a part that it needs has no answer")
    answers = {name: message.answer for name, message in said.items() if not message.status.failed}
    filled = {part: fill(part.question, answers) for part in wave if part not in lacking}
    long = [part for part, question in filled.items() if longest_bytes(question) > most_bytes]
    for part in long:
        said[part.name] = Message(status=Status.OVERSIZE, reason=_LONG.format(part.name, most_bytes))
    return {part: question for part, question in filled.items() if part not in long}


async def _at_once(
    asked: Sequence[Coroutine[Any, Any, tuple[Message, float]]],
) -> list[tuple[Message, float]]:
    if len(asked) == 1:
        return [await asked[0]]
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(each) for each in asked]
    return [task.result() for task in running]


def waves(parts: Sequence[Part]) -> tuple[list[list[Part]], list[Part]]:
    """The parts in topological generations.

    Returns:
        Waves in which no part needs another of the same or a later wave, and the parts that can never run because
        they need themselves, each other, or a part that does not exist.
    """
    waiting = list(parts)
    done: set[str] = set()
    found: list[list[Part]] = []
    while ready := [part for part in waiting if done.issuperset(part.needs)]:
        found.append(ready)
        done.update(part.name for part in ready)
        waiting = [part for part in waiting if part not in ready]
    return found, waiting


def gathered(parts: Sequence[Part], answers: Mapping[str, Message], most: int = CANDIDATES) -> Message:
    """What the merger reads: a candidate for each of the first `most` parts, its `source` the part's name.

    The candidate of a part that failed is empty. The status is that of the first part that failed.
    """
    failed = next((answers[part.name] for part in parts if answers[part.name].status.failed), None)
    evidence = dict.fromkeys(passage for part in parts for passage in answers[part.name].evidence)
    return Message(
        status=Status.OK if failed is None else failed.status,
        candidates=tuple(_candidate(part, answers[part.name]) for part in parts[:most]),
        evidence=tuple(evidence),
        reason="" if failed is None else failed.reason,
    )


def _candidate(part: Part, message: Message) -> Candidate:
    if message.status.failed:
        return Candidate("", source=part.name)
    best = next((c for c in message.candidates if c.answer == message.answer), Candidate(message.answer))
    return replace(best, text=message.text, source=part.name)
