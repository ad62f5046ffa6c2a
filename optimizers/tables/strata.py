"""A table with gaps as several without: questions on which the same arms were run."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...errors import UsageError
from ..arrays import Ints
from .table import Table

__all__ = ["Stratum", "strata"]


@dataclass(frozen=True, slots=True, eq=False)
class Stratum:
    """Questions on which the same arms were run."""

    table: Table
    """These questions with these arms; there are no gaps."""
    questions: Ints
    """Their numbers in the whole table."""


def strata(table: Table) -> tuple[Stratum, ...]:
    """Divides a table by which arms were run; a table without gaps is one stratum.

    So nothing that is learned or compared within a stratum has to guess what an arm would have done where it was not
    run: neither a failure nor a price is made up for it.

    Raises:
        UsageError: an arm was run on some questions of a family only, so that a new question's family would not tell
            whether it may be chosen; or no arm was run on a question.
    """
    if table.ran is None or not len(table.questions):
        return (Stratum(table, np.arange(len(table.questions))),)
    patterns, members = np.unique(table.ran, axis=0, return_inverse=True)
    members = members.reshape(-1)
    of: dict[str, int] = {}
    for question, number in zip(table.questions, members.tolist(), strict=True):
        if of.setdefault(question.family, number) != number:
            raise UsageError(
                f"some arm was run on some questions of family {question.family!r} only, question {question.name!r} "
                "for example is unlike others; run it on all of them, or on none"
            )
        if not patterns[number].any():
            raise UsageError(f"no arm was run on question {question.name!r}; leave it out")
    found = []
    for number, pattern in enumerate(patterns):
        rows = np.flatnonzero(members == number)
        part = table.take(rows).with_arms(np.flatnonzero(pattern))
        found.append(Stratum(replace(part, ran=None), rows))
    return tuple(found)
