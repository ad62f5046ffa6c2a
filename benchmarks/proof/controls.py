"""Pools in which there is nothing to gain by choosing jointly, made from two draws of the same arms.

Nothing of their answers is shown. A second draw of an arm is worth something to who sees both answers, so where answers
show there is something to gain from a copy, which is no gain from choosing between models.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from apportion import UsageError
from apportion.optimizers.arrays import Floats
from apportion.optimizers.tables.table import Arm, Table

__all__ = ["clones", "dominated"]

_SPOILED = 0.3
"""The share of the worse model's answers that are taken from it."""


def clones(table: Table) -> Table:
    """Two copies of one model: the second replicate of every arm becomes an arm of its own.

    Args:
        table: the arms of one model, in two replicates at the least.
    """
    return _paired(table, "twin", np.ones(table.scores.shape[:2]))


def dominated(table: Table) -> Table:
    """A model and a worse one for the same price: the copy's answer to three questions in ten is taken to be wrong.

    Args:
        table: as for `clones`.
    """
    kept = np.array(
        [[_uniform(question.name, arm.name) >= _SPOILED for arm in table.arms] for question in table.questions]
    )
    return _paired(table, "worse", kept.astype(np.float64))


def _paired(table: Table, suffix: str, kept: Floats) -> Table:
    if table.scores.shape[2] < 2:
        raise UsageError("a control needs the arms of one model in two replicates")
    return replace(
        table,
        arms=(*table.arms, *(_renamed(arm, suffix) for arm in table.arms)),
        scores=np.concatenate([table.scores[:, :, :1], table.scores[:, :, 1:2] * kept[:, :, None]], axis=1),
        costs=np.concatenate([table.costs[:, :, :1], table.costs[:, :, 1:2]], axis=1),
        confidences=None,
        answers=None,
        abstained=None,
    )


def _renamed(arm: Arm, suffix: str) -> Arm:
    models = tuple((node, f"{model}-{suffix}") for node, model in arm.models)
    return replace(arm, name=f"{arm.name}-{suffix}", models=models, plan="")


def _uniform(question: str, arm: str) -> float:
    digest = hashlib.blake2b(f"{question}/{arm}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64
