"""The graphs, questions and models of `benchmarks.gates`."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from apportion import Function, Gate, Graph, Search, Solver, Task, Verifier, choose, generate
from apportion.models.base import Model
from apportion.models.card import ModelCard
from apportion.models.request import ChatMessage, Reply, Request
from apportion.nodes.retrieval import PassageIndex
from apportion.records import Candidate, Message, Status
from apportion.tasks.families import corpus

__all__ = [
    "LARGE",
    "READER",
    "SEARCHER",
    "SEED",
    "SMALL",
    "Noisy",
    "Remembered",
    "handed_on",
    "look_up",
    "mixed",
    "read_or_search",
    "read_or_search_supported",
    "retrieval",
    "think_or_search",
]

SMALL = "pocket-30k"
LARGE = "pocket-800k"
SEARCHER = "pocket-100k"
READER = "pocket-100k-reading"
SEED = 11
INDEX = PassageIndex(corpus("hops", SEED))
"""Of both families: they are asked over the same corpus."""


async def look_up(query: str, top_k: int) -> Sequence[str]:
    """Passages by BM25."""
    return await INDEX.find(query, top_k)


class Noisy:
    """A model whose confidence says nothing: drawn from the request and a seed alone, evenly over probabilities."""

    def __init__(self, model: Model, seed: int) -> None:
        self._model = model
        self._seed = seed

    @property
    def card(self) -> ModelCard:
        """Of the model."""
        return self._model.card

    async def complete(self, request: Request) -> Reply:
        """The model's reply, with another log-probability."""
        reply = await self._model.complete(request)
        digest = hashlib.sha256(repr((self._seed, request.messages, request.sample)).encode()).digest()
        share = (int.from_bytes(digest[:7]) + 1) / 2**56
        written = (math.log(share),) * len(reply.pieces)
        return replace(reply, mean_logprob=math.log(share), logprobs=written)

    def count_tokens(self, messages: Sequence[ChatMessage]) -> int | None:
        """As the model counts."""
        return self._model.count_tokens(messages)

    async def aclose(self) -> None:
        """Closes the model."""
        await self._model.aclose()


class Remembered:
    """A model whose replies are kept in memory, so that forty studies with books of their own take minutes."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._known: dict[str, Reply] = {}

    @property
    def card(self) -> ModelCard:
        """Of the model."""
        return self._model.card

    async def complete(self, request: Request) -> Reply:
        """The reply, which depends on the request alone."""
        key = repr(request)
        if key not in self._known:
            self._known[key] = await self._model.complete(request)
        return self._known[key]

    def count_tokens(self, messages: Sequence[ChatMessage]) -> int | None:
        """As the model counts."""
        return self._model.count_tokens(messages)

    async def aclose(self) -> None:
        """Closes the model."""
        await self._model.aclose()


def think_or_search() -> Graph:
    """Think; look up where the gate opens; the last answer stands."""
    made = Graph("gated").add("think", Solver(model=LARGE, temperature=0.0, max_output_tokens=64))
    made.add("search", Search(retriever=look_up, model=SEARCHER, rounds=4, top_k=2, max_output_tokens=16))
    made.add("pick", Verifier(method="last")).connect("think", "pick").connect("search", "pick")
    gate = Gate("confidence", below=choose(0.95, 0.8))
    return made.connect("think", "search", optional=True, when=gate, forward="none")


def handed_on() -> Graph:
    """A small model thinks; a large one where the gate opens; the last answer stands."""
    made = Graph("handed-on").add("small", Solver(model=SMALL, temperature=0.0, max_output_tokens=64))
    made.add("large", Solver(model=LARGE, temperature=0.0, max_output_tokens=64)).add("pick", Verifier(method="last"))
    gate = Gate("confidence", below=choose(0.8, 0.5))
    made.connect("small", "large", optional=True, when=gate, forward="none")
    return made.connect("small", "pick").connect("large", "pick")


def _reader() -> Solver:
    return Solver(model=READER, temperature=0.0, max_output_tokens=64)


def _searcher() -> Search:
    return Search(retriever=look_up, model=READER, rounds=6, top_k=4, max_output_tokens=16)


def read_or_search(*thresholds: float) -> Graph:
    """Read what is given; look up where the reader's own confidence is below a threshold; the last answer stands."""
    made = (
        Graph("read-or-search").add("read", _reader()).add("search", _searcher()).add("pick", Verifier(method="last"))
    )
    gate = Gate("confidence", below=choose(*thresholds))
    made.connect("read", "search", optional=True, when=gate, forward="none")
    return made.connect("read", "pick").connect("search", "pick")


def read_or_search_supported() -> Graph:
    """Read what is given; look up where the given passages do not support the reading; the last answer stands."""
    made = Graph("read-or-search-supported").add("read", _reader())
    made.add("support", Function(supported, pure=True, result_bytes=512)).add("search", _searcher())
    made.add("pick", Verifier(method="last")).connect("read", "support")
    gate = Gate("confidence", below=choose(1.0, 0.4))
    made.connect("support", "search", optional=True, when=gate, forward="none")
    return made.connect("read", "pick").connect("support", "pick").connect("search", "pick")


def supported(question: str, inputs: Mapping[str, Message], task: Task) -> Message:
    """The reading, as sure as the share of its sentences that are given passages and lead on from the person asked for.

    It reads who is spoken of and not what the answer is, as a check of citations does; it calls no model.
    """
    read = inputs["read"]
    if read.status.failed or not read.answer:
        return Message(status=Status.SKIPPED, reason="nothing was read")
    person, found = question.split()[3], 0
    sentences = [f"{sentence.strip(' .')}." for sentence in read.text.split(". ")]
    for sentence in sentences:
        found += sentence in task.context and sentence.startswith(f"{person} ")
        person = sentence.strip(".").split(" ")[-1]
    return Message(answer=read.answer, candidates=(Candidate(read.answer, found / len(sentences), source="support"),))


def mixed(each: int, seed: int, hops: Sequence[int] = (1, 2), steps: Sequence[int] = (2, 4)) -> list[Task]:
    """So many questions of hops and chains at each difficulty."""
    made = [task for depth in hops for task in generate("hops", each, SEED, depth)]
    return made + [task for count in steps for task in generate("chains", each, seed, count)]


def retrieval(each: int) -> list[Task]:
    """So many questions that the given passages answer, and as many that take three hops of search."""
    return [task for hops in (0, 3) for task in generate("adaptive_retrieval", each, SEED, hops)]
