"""Which questions ways of planning are compared on: the same for plans and for cascades, so that pairs are pairs."""

from __future__ import annotations

import numpy as np

from ..tables.table import Batch, Lesson, Table

__all__ = ["alone", "batch_of", "first"]

_ENOUGH = 1000
"""So many questions of validation decide alone."""
_MOST = 2000
"""No more questions of either part are looked at."""


def alone(lesson: Lesson) -> bool:
    """Whether the validation part is large enough to decide without the fit part."""
    return len(lesson.validation.questions) >= _ENOUGH


def first(table: Table) -> Table:
    """Those of its questions that are looked at."""
    return table.take(np.arange(min(_MOST, len(table.questions))))


def batch_of(*tables: Table) -> Batch:
    """The questions of tables one after the other, with their probes."""
    batches = [table.batch() for table in tables]
    probes = {name: np.concatenate([batch.probes[name] for batch in batches]) for name in batches[0].probes}
    return Batch(tuple(question for batch in batches for question in batch.questions), probes)
