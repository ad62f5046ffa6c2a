"""Which questions of a table stay together when some are held out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...tasks.clusters import Clusters, clusters_of
from ...tasks.dealing import grouped
from ..arrays import Ints
from .table import Table

__all__ = ["cluster_numbers", "clustered", "found_clusters"]


def found_clusters(table: Table) -> Clusters:
    """The clusters of a table's questions: those that it gives, else near-duplicates; see `clusters_of`."""
    questions = table.questions
    given = [""] * len(questions) if table.clusters is None else table.clusters
    return clusters_of([question.text for question in questions], [question.family for question in questions], given)


def clustered(table: Table) -> Table:
    """The table with the clusters that are found of its questions."""
    found = found_clusters(table)
    return replace(table, clusters=found.names if found.any else None)


def cluster_numbers(table: Table) -> Ints | None:
    """(questions,): equal numbers stay together; None where all questions stand alone."""
    if table.clusters is None or not any(table.clusters):
        return None
    numbers = np.empty(len(table.clusters), np.intp)
    for number, members in enumerate(grouped(table.clusters)):
        numbers[members] = number
    return numbers
