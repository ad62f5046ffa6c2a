"""What is counted in texts: their n-grams, and how much of what they contain."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats, Ints
from ..tables.table import Batch, Table

__all__ = ["AMOUNTS", "TextCounts", "counted", "counted_terms", "with_texts_counted"]

_KNOWN = "texts"
"""The place in `Batch.known`."""
_WINDOW = 1000
"""Characters read from either end of a long text."""
_COUNTED = tuple(
    re.compile(pattern)
    for pattern in (r"\w+", r"\d", r"\d+", r"[-+*/=^%<>]", r"[()\[\]{}]", r"\n", r"[.?!;:,]", r"[A-Z]")
)
AMOUNTS = 1 + len(_COUNTED)
"""How many kinds of amounts are counted."""


@dataclass(frozen=True, slots=True, eq=False)
class TextCounts:
    """What was counted in some texts."""

    grams: Any
    """(texts, vocabulary), sparse: how often each n-gram occurs."""
    vocabulary: NDArray[np.object_]
    """The n-grams, sorted."""
    amounts: Floats
    """(texts, kinds): logarithms of how many characters, words, digits, numbers, operators and so on there are."""

    def __getitem__(self, indexes: Ints) -> TextCounts:
        """Some of the texts."""
        return TextCounts(self.grams[indexes], self.vocabulary, self.amounts[indexes])

    def of(self, terms: Sequence[str]) -> Any:
        """(texts, terms), sparse: how often these n-grams occur."""
        from scipy.sparse import csr_array

        wanted = np.array(terms, object)
        places = np.searchsorted(self.vocabulary, wanted)
        places[places == len(self.vocabulary)] = 0
        found = np.flatnonzero(self.vocabulary[places] == wanted) if len(self.vocabulary) else np.empty(0, np.intp)
        columns = np.full(len(self.vocabulary), -1)
        columns[places[found]] = found
        rows = np.repeat(np.arange(len(self.amounts)), np.diff(self.grams.indptr))
        kept = columns[self.grams.indices] >= 0
        at = rows[kept], columns[self.grams.indices[kept]]
        return csr_array((self.grams.data[kept], at), shape=(len(self.amounts), len(terms)))

    def frequent(self, most: int, least: int) -> tuple[str, ...]:
        """The n-grams that occur most often, sorted; of equals the first.

        Args:
            most: how many at most.
            least: in how many texts each must occur.
        """
        size = len(self.vocabulary)
        enough = np.flatnonzero(np.bincount(self.grams.indices, minlength=size) >= least)
        totals = np.bincount(self.grams.indices, self.grams.data, minlength=size)[enough]
        kept = enough[np.argsort(-totals, kind="stable")[:most]]
        return tuple(self.vocabulary[np.sort(kept)])


def counted(batch: Batch) -> TextCounts:
    """What the texts of a batch contain, counted now where that was not done before."""
    if batch.known and _KNOWN in batch.known:
        found: TextCounts = batch.known[_KNOWN][0]
        return found
    return _count([question.text for question in batch.questions])


def counted_terms(batch: Batch, places: Mapping[str, int]) -> tuple[Floats, Any]:
    """What is known of the texts of a batch where only some n-grams count.

    Args:
        batch: the questions.
        places: the n-grams with their columns, from 0.

    Returns:
        (texts, kinds), the amounts; (texts, terms), sparse, how often each n-gram occurs.
    """
    if batch.known and _KNOWN in batch.known:
        found: TextCounts = batch.known[_KNOWN][0]
        return found.amounts, found.of(tuple(places))
    from scipy.sparse import csr_array

    texts = [question.text for question in batch.questions]
    # One question is counted in a fraction of the time that a vectorizer takes to check its settings.
    rows = [sorted(Counter(places[gram] for gram in _grams(text) if gram in places).items()) for text in texts]
    columns = np.array([column for row in rows for column, _ in row], np.int32)
    counts = np.array([count for row in rows for _, count in row], np.int64)
    begins = np.cumsum([0, *(len(row) for row in rows)], dtype=np.int32)
    return _amounts(texts), csr_array((counts, columns, begins), shape=(len(texts), len(places)))


def with_texts_counted(table: Table) -> Table:
    """The table with its texts counted, once for all that will be learned from parts of it."""
    found = _count([question.text for question in table.questions])
    return replace(table, known={**table.known, _KNOWN: (found,)})


def _count(texts: Sequence[str]) -> TextCounts:
    from sklearn.feature_extraction.text import CountVectorizer

    amounts = _amounts(texts)
    if not any(True for text in texts for _ in _grams(text)):
        from scipy.sparse import csr_array

        return TextCounts(csr_array((len(texts), 0), dtype=np.int64), np.empty(0, object), amounts)
    vectorizer = CountVectorizer(analyzer=_grams)
    grams = vectorizer.fit_transform(texts)
    return TextCounts(grams, np.array(vectorizer.get_feature_names_out(), object), amounts)


def _amounts(texts: Iterable[str]) -> Floats:
    rows = [[len(text), *(sum(1 for _ in pattern.finditer(text)) for pattern in _COUNTED)] for text in texts]
    return np.log1p(np.asarray(rows, np.float64).reshape(len(rows), AMOUNTS))


def _grams(text: str) -> Iterator[str]:
    """Words, pairs of words, and two to four characters in a row; every digit counts as 0, so that forms show."""
    if len(text) > 2 * _WINDOW:
        text = f"{text[:_WINDOW]} {text[-_WINDOW:]}"
    text = " ".join(re.sub(r"\d", "0", text.lower()).split())
    words = re.findall(r"[^\W\d_]+", text)
    yield from (f"w:{word}" for word in words)
    yield from (f"w:{first} {second}" for first, second in pairwise(words))
    for size in (2, 3, 4):
        yield from (text[begin : begin + size] for begin in range(len(text) - size + 1))
