"""What can be told of a question before anything is spent on it, as numbers: one description for all that predict.

Four blocks: the text's n-grams, reduced by latent semantic analysis (Deerwester et al. 1990); how much of what the text
contains; the family; the value of a probe. Each block is scaled to one unit of variance in total (as in multiple factor
analysis, Escofier and Pagès 1990), so that none outweighs the others by its number of columns.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Self

import numpy as np
from pydantic import model_validator

from ...errors import UsageError
from ..arrays import Floats, Ints
from ..tables.table import Batch
from .fitted import Array, Fitted, rounded
from .text_counts import AMOUNTS, counted, counted_terms

__all__ = ["Encoder", "Features", "fit_encoder"]

_TERMS = 2000
_COMPONENTS = 24


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Questions as numbers."""

    matrix: Floats
    """(questions, columns)."""
    groups: Ints
    """(questions,): the number of the family, -1 where there is none or it was not there when fitted."""

    def take(self, indexes: Ints) -> Features:
        """Some of the questions."""
        return Features(self.matrix[indexes], self.groups[indexes])


class Encoder(Fitted):
    """Turns questions into numbers."""

    terms: tuple[str, ...]
    """The n-grams that count; none where the texts are empty."""
    rarity: Array
    """(terms,): the inverse document frequencies."""
    components: Array
    """(terms, components), scaled."""
    text_center: Array
    count_center: Array
    count_scale: Array
    families: tuple[str, ...]
    family_scale: float
    probe: str | None
    probe_center: float = 0.0
    probe_scale: float = 0.0

    @model_validator(mode="after")
    def _check(self) -> Self:
        terms, components = len(self.terms), self.text_center.shape
        if len(set(self.terms)) < terms or len(set(self.families)) < len(self.families):
            raise ValueError("terms and families must differ from each other")
        if self.rarity.shape != (terms,) or len(components) != 1 or (not terms and components != (0,)):
            raise ValueError("rarity must have a number for every term, and text_center one for every component")
        if terms and self.components.shape != (terms, *components):
            raise ValueError("components must have a row for every term, as long as text_center")
        if self.count_center.shape != (AMOUNTS,) or self.count_scale.shape != (AMOUNTS,):
            raise ValueError(f"count_center and count_scale must have {AMOUNTS} numbers each")
        return self

    @cached_property
    def key(self) -> str:
        """The hash of its content."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    @cached_property
    def _places(self) -> dict[str, int]:
        return {term: column for column, term in enumerate(self.terms)}

    @property
    def columns(self) -> int:
        """How many numbers describe a question."""
        return len(self.count_center) + len(self.text_center) + len(self.families) + (self.probe is not None)

    def encode(self, batch: Batch) -> Features:
        """Describes the questions of a batch.

        Raises:
            UsageError: the batch lacks the probe.
        """
        if batch.known and self.key in batch.known:
            return Features(*batch.known[self.key])
        amounts, counts = counted_terms(batch, self._places)
        known = {family: number for number, family in enumerate(self.families)}
        groups = np.array([known.get(question.family, -1) for question in batch.questions], np.intp)
        blocks = [(amounts - self.count_center) * self.count_scale]
        if self.terms:
            blocks.append(_weights(counts, self.rarity) @ self.components - self.text_center)
        if self.families:
            blocks.append(self.family_scale * (groups[:, None] == np.arange(len(self.families))))
        if self.probe is not None:
            blocks.append((_probed(batch, self.probe)[:, None] - self.probe_center) * self.probe_scale)
        return Features(np.hstack(blocks), groups)


def fit_encoder(batch: Batch, *, probe: str | None = None, seed: int = 0) -> Encoder:
    """Learns which n-grams and families there are, and the scales. It sees no score and no cost.

    Args:
        batch: at least one question.
        probe: the probe to describe questions with, if any.
        seed: of the reduction.
    """
    texts = counted(batch)
    spread = texts.amounts.std(axis=0)
    names = [question.family for question in batch.questions]
    families = sorted(set(names) - {""})
    shares = np.array([names.count(family) / len(names) for family in families])
    fields: dict[str, Any] = {
        "terms": (),
        "rarity": np.empty(0),
        "components": np.empty((0, 0)),
        "text_center": np.empty(0),
        "count_center": rounded(texts.amounts.mean(axis=0)),
        "count_scale": rounded(_inverse(spread) / np.sqrt(max(1, int(np.count_nonzero(spread))))),
        "families": tuple(families) if len(families) > 1 else (),
        "family_scale": float(rounded(_inverse(np.sqrt((shares * (1 - shares)).sum())))),
        "probe": probe,
    }
    if probe is not None:
        values = _probed(batch, probe)
        fields["probe_center"] = float(rounded(values.mean()))
        fields["probe_scale"] = float(rounded(_inverse(values.std())))
    terms = texts.frequent(_TERMS, min(len(batch), max(2, len(batch) // 500)))
    return Encoder(**fields | _reduced(terms, texts.of(terms), seed))


def _reduced(terms: Sequence[str], counts: Any, seed: int) -> dict[str, Any]:
    """The fields that say how texts are read; none where there is nothing in them to learn from."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfTransformer

    size = min(_COMPONENTS, len(terms) - 1, max(2, counts.shape[0] // 10))
    if size < 1:
        return {}
    rarity = rounded(TfidfTransformer().fit(counts).idf_)
    weights = _weights(counts, rarity)
    if np.allclose(weights.max(axis=0).toarray(), weights.min(axis=0).toarray()):
        return {}
    components = TruncatedSVD(size, random_state=seed).fit(weights).components_.T
    spread = (weights @ components).std(axis=0)
    components = rounded(components * _inverse(np.sqrt(np.sum(spread**2))), 5)
    return {
        "terms": terms,
        "rarity": rarity,
        "components": components,
        "text_center": rounded((weights @ components).mean(axis=0)),
    }


def _weights(counts: Any, rarity: Floats) -> Any:
    """(questions, terms): the sparse TF-IDF weights, logarithms of counts, rows of length one."""
    from scipy.sparse import csr_array

    values = (np.log(counts.data) + 1.0) * rarity[counts.indices]
    for begin, end in pairwise(counts.indptr.tolist()):
        if end > begin:
            # Squares are summed one after the other, so that a question weighs the same alone and among others.
            values[begin:end] /= np.sqrt(np.cumsum(values[begin:end] ** 2)[-1])
    return csr_array((values, counts.indices, counts.indptr), shape=counts.shape)


def _probed(batch: Batch, probe: str) -> Floats:
    if probe not in batch.probes:
        raise UsageError(
            f"the questions lack probe {probe!r}, which the policy was learned with; take it of each first"
        )
    values = np.asarray(batch.probes[probe], np.float64)
    if not np.isfinite(values).all():
        raise UsageError(f"probe {probe!r} must be a number for every question")
    return values


def _inverse(scale: Any) -> Any:
    """1 / scale, and 0 where there is nothing to scale."""
    scale = np.asarray(scale, np.float64)
    return np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 1e-12)
