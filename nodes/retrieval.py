"""Finding passages: BM25 over SQLite's full-text index, or any function of the user's."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from ..errors import UsageError
from ..records.text import encodable, longest_bytes
from ..registry import Registry
from .callables import CallableSort, Given, Imported, is_async, waited
from .passages import passages_of
from .unspaced import MARKS, paired, query_terms

__all__ = [
    "RETRIEVER",
    "RETRIEVERS",
    "CorpusSize",
    "FunctionRetriever",
    "PassageIndex",
    "Retriever",
    "corpus_size",
    "open_retriever",
]

_QUERY_WORDS = 64
"""The most words of a query; a model that writes more is not searching."""


class Retriever(Protocol):
    """Something that finds passages."""

    async def find(self, query: str, top_k: int) -> Sequence[str]:
        """At most `top_k` passages, the best first; none where nothing fits."""


def _checked(name: str, source: object) -> object:
    RETRIEVER.function(name, source)
    return source


RETRIEVERS: Registry[object] = Registry(
    "retriever", "apportion.retrievers", _checked, {"demo": "cli.demo_graph:look_up"}
)
"""What a file may name without its module being admitted: the demo's, and what installed packages register."""
RETRIEVER = CallableSort(
    "retriever", "name a function, or what has a `find`", method="find", known=lambda: RETRIEVERS.references
)


class FunctionRetriever:
    """Finds passages with a function `(query, top_k) -> list of str`, which may be async.

    A function that is not async runs in a thread of its own, so that it does not hold up other calls.

    Args:
        source: a function, or an object whose method `find` is one.
    """

    def __init__(self, source: Imported | Given) -> None:
        self._name = source.name
        self._function = source.function()

    async def find(self, query: str, top_k: int) -> Sequence[str]:
        """See `Retriever.find`.

        Raises:
            UsageError: the function returned something else.
        """
        if is_async(self._function):
            found = await self._function(query, top_k)
        else:
            found = await waited(await asyncio.to_thread(self._function, query, top_k))
        if isinstance(found, str) or not isinstance(found, Sequence) or not all(isinstance(p, str) for p in found):
            raise UsageError(f"retriever {self._name!r} must return a list of str, not {type(found).__name__}")
        return [encodable(passage) for passage in found[:top_k]]


class PassageIndex:
    """Passages in an SQLite full-text index in memory, ranked by BM25 (Robertson et al. 1994) over word stems.

    In scripts without spaces between words, such as Chinese, Japanese and Thai, pairs of letters take the words' place.

    May be used from any thread.

    Args:
        passages: equal ones are kept once.
    """

    def __init__(self, passages: Iterator[str] | Sequence[str]) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        # The index alone: what is read is not what is searched.
        options = f"content = '', tokenize = \"porter unicode61 tokenchars '{MARKS}'\""
        self._database.execute(f"CREATE VIRTUAL TABLE passage USING fts5(words, {options})")
        self._passages = list(dict.fromkeys(passages))
        rows = ((row, paired(passage)) for row, passage in enumerate(self._passages))
        with self._database:
            self._database.executemany("INSERT INTO passage (rowid, words) VALUES (?, ?)", rows)

    async def find(self, query: str, top_k: int) -> Sequence[str]:
        """The passages that share most with the words of the query; any text is a query."""
        match = " OR ".join(query_terms(query)[:_QUERY_WORDS])
        if not match:
            return []
        with self._lock:
            rows = self._database.execute(
                "SELECT rowid FROM passage WHERE passage MATCH ? ORDER BY bm25(passage), rowid LIMIT ?", (match, top_k)
            ).fetchall()
        return [self._passages[row] for (row,) in rows]

    def close(self) -> None:
        """Lets go of the memory."""
        with self._lock:
            self._database.close()

    def __len__(self) -> int:
        return len(self._passages)


@dataclass(frozen=True, slots=True)
class CorpusSize:
    """How much a retriever may bring, in bytes."""

    longest: int
    """The longest passage."""
    passages: int | None = None
    """How many there are; None where that is not known."""
    total: int | None = None
    """All passages together."""


@lru_cache(maxsize=64)
def corpus_size(source: str | Imported | Given, passage_bytes: int) -> CorpusSize:
    """What can be known of a retriever before it is asked: of files everything, of functions the limit alone."""
    if isinstance(source, Imported | Given):
        return CorpusSize(passage_bytes)
    try:
        sizes = [longest_bytes(passage) for passage in dict.fromkeys(passages_of(Path(source), passage_bytes))]
    except UsageError:  # Said when it is opened; a bound is needed before that.
        return CorpusSize(passage_bytes)
    return CorpusSize(max(sizes, default=0), len(sizes), sum(sizes))


@contextmanager
def open_retriever(source: str | Imported | Given, passage_bytes: int) -> Iterator[Retriever]:
    """What `source` names, ready to be asked.

    Raises:
        UsageError: it cannot be read; the message names the file and the line.
    """
    if isinstance(source, Imported | Given):
        yield FunctionRetriever(source)
        return
    index = PassageIndex(passages_of(Path(source), passage_bytes))
    try:
        if not len(index):
            raise UsageError(f"{source}: there is no passage in it")
        yield index
    finally:
        index.close()
