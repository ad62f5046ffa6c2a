"""The parts of a decomposition: their order, and their results as one message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..records.message import CANDIDATES, Candidate, Message, Part
from ..records.status import Status

__all__ = ["gathered", "waves"]


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
