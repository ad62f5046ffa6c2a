"""The search: looks up passages round by round, each query written from what was read before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar

from annotated_types import Interval
from pydantic import PlainSerializer, PlainValidator, PositiveInt, ValidationInfo

from ..models.card import ModelCard
from ..records.message import CANDIDATES, Message, MessageSize
from ..records.status import Status
from ..records.text import clip
from ..records.usage import Amount
from .answer_node import AnswerNode, answer_size, mended, prefix_size, repairs_bound
from .asks import ask_of, bound_of, request_of
from .base import CallBound, Context, Incoming, Inputs, Kind, Scorer, Speakers
from .callables import Given, Imported, callable_json
from .knob import ADDED, ANY_MODEL, MOST_TIMES, Adaptive, Knob, ModelKnob, Times, most
from .oracles import said
from .outputs import candidate_of, read_step
from .prompts.base import Ask, Messages, SearchRound, SearchStep
from .readings import Reading, all_of, read
from .repeated_node import RepeatedNode, most_draws, vote_of
from .repetition import Drawn, draws_of, first_alone, message_of, repeat
from .retrieval import RETRIEVER, CorpusSize, Retriever, corpus_size, open_retriever
from .votes import normal_form

__all__ = ["KIND", "QUERY_BYTES", "Search"]

QUERY_BYTES = 256
"""The most bytes of a query that are searched for and shown again."""
_NO_ANSWER = frozenset({"unknown", "not found", "no answer", ""})
"""What searchers say instead of an answer, in normal form."""


def _source(value: Any, info: ValidationInfo) -> str | Imported | Given:
    named = RETRIEVER.named(value, info)
    if named is not None:
        return named
    if isinstance(value, str | Path) and str(value):
        return str(value)
    found = RETRIEVER.given(value)
    if found is None:
        raise ValueError("give the path of a folder or file, or a function (query, top_k) -> list of str")
    return found


class Search(RepeatedNode, AnswerNode):
    """Answers from passages that it looks up, or hands on what it found.

    In each round the model reads what was found so far and writes the next query, or the answer. After the last round
    it must answer. The passages read are the message's evidence, also where there is no answer; the status then says
    why.
    """

    kind: ClassVar[str] = "search"

    retriever: Annotated[
        str | Path | Callable[[str, int], Any] | Retriever | Imported | Given,
        PlainValidator(_source),
        PlainSerializer(callable_json, return_type=Any),
    ]
    """A folder of text files, a text file or a JSONL file, searched by BM25; or a function `(query, top_k) -> list of
    str`, async or not, or an object whose `find` is one: itself, or "module:name". In JSON it is `{"import":
    "module:name"}`, and is imported only where whoever loads the file admits the module. What no module holds at its
    top, such as a lambda, can be searched with, and a graph that has it cannot be written to a file."""
    model: ModelKnob = ANY_MODEL
    rounds: Knob[Annotated[int, Interval(ge=0, le=MOST_TIMES)] | Adaptive] = 3
    """The most queries. With `adaptive(low, high)` it also stops looking up when a round after the first `low` brings
    nothing new."""
    top_k: Knob[Times] = 3
    """Passages for each query."""
    max_output_tokens: Knob[PositiveInt] = 256
    """Of each round."""
    keep: Annotated[Knob[Annotated[float, Interval(gt=0.0, lt=1.0)] | None], ADDED] = None
    """The share of what the run had left when the search began that is kept for the nodes after it: below it no further
    query is written, and the next step must answer. So rounds give way to reasoning. None: `rounds` alone says when to
    end, as it does in a run without a cap."""
    passage_bytes: PositiveInt = 1024
    """The most bytes of one passage; longer ones are split in the index, and cut when they come from a function."""

    def holds(self, card: ModelCard) -> bool:
        """See `AnswerNode.holds`; a query could not be written either."""
        return False


async def _run(node: Search, inputs: Inputs, context: Context) -> Message:
    begun = None if node.keep is None else context.allowance

    async def draw(samples: Sequence[int]) -> list[Drawn[_Chain]]:
        return await all_of([_chain(node, inputs, context, begun, number) for number in samples])

    chains = partial(first_alone, draw, context=context)
    found = await repeat(node, inputs.question, context, chains)
    message, winner = message_of(node, found, context), found.winner(vote_of(node))
    if winner is None:
        winner = next(chain for chain in found.counted if chain.outcome == found.failure)
        message = replace(message, text=winner.readings[-1].text)
    return replace(message, evidence=winner.value.evidence, rounds=winner.value.rounds)


@dataclass(frozen=True, slots=True)
class _Chain:
    """What a chain of rounds found on its way to an answer."""

    evidence: tuple[str, ...]
    rounds: int
    """In which it asked for passages."""


async def _chain(node: Search, inputs: Inputs, context: Context, begun: Amount | None, number: int) -> Drawn[_Chain]:
    """One chain of rounds: the passages that it read, and its answer or why it has none."""
    retriever: Retriever = context.resource
    rounds: list[SearchRound] = []
    readings: list[Reading[SearchStep]] = []
    numbered = {"chain": number} if most_draws(node) > 1 else {}
    while True:
        last = len(rounds) >= most(node.rounds) or _exhausted(node.rounds, rounds)
        last = last or (begun is not None and _short(begun, context.allowance, node.keep))
        reading = await _step(node, inputs, context, rounds, number, last=last)
        readings.append(reading)
        step = reading.value
        if step is None or step.answer or last:
            break
        query = clip(step.query, QUERY_BYTES)
        found = [clip(passage, node.passage_bytes) for passage in await retriever.find(query, node.top_k)]
        rounds.append(SearchRound(query, tuple(found)))
        context.record("query", query=query, passages=len(found), new=_new(rounds), **numbered)
    chain = _Chain(tuple(dict.fromkeys(passage for done in rounds for passage in done.passages)), len(rounds))
    if step is not None and _answers(node, step):
        return Drawn(chain, candidate_of(node.output, step.answer, reading, context.node), tuple(readings))
    if step is None:
        failure = reading.status, reading.reason
    elif step.answer:
        failure = Status.UNKNOWN, f"after {len(rounds)} rounds the model says {step.answer!r}"
    else:
        failure = Status.PARSE_ERROR, f"after its last round the model still asks for {step.query[:80]!r}"
    return Drawn(chain, None, tuple(readings), failure)


async def _step(
    node: Search, inputs: Inputs, context: Context, rounds: list[SearchRound], number: int, *, last: bool
) -> Reading[SearchStep]:
    dialect, ask = context.dialect(node.model), ask_of(inputs, node)
    if ask.wording is not None:
        ask = replace(ask, wording=replace(ask.wording, rounds_left=str(most(node.rounds) - len(rounds))))
    request = request_of(
        context,
        node.model,
        dialect.search(ask, rounds, last=last),
        max_output_tokens=node.max_output_tokens,
        temperature=node.temperature,
        node=node,
        sample=inputs.round * most_draws(node) + number,
    )
    reader = partial(read_step, output=node.output, dialect=dialect)
    first = await read(request, context, reader, cut=partial(reader, cut=True))
    (reading,) = await mended(node, [first], [request], context, reader)
    return reading


def _answers(node: Search, step: SearchStep) -> bool:
    """Whether it is an answer; what says that there is none is one only where it is an option."""
    return bool(step.answer) and (node.output not in ("line", "number") or normal_form(step.answer) not in _NO_ANSWER)


def _exhausted(limit: int | Adaptive, rounds: list[SearchRound]) -> bool:
    return isinstance(limit, Adaptive) and len(rounds) > limit.low and _new(rounds) == 0


def _short(begun: Amount, left: Amount | None, keep: float | None) -> bool:
    """Whether less than the share that is kept is left, in any unit that the cap counts."""
    if left is None or keep is None:
        return False
    pairs = ((begun.tokens, left.tokens), (begun.weighted, left.weighted), (begun.usd, left.usd))
    return any(now < keep * before for before, now in pairs)


def _new(rounds: list[SearchRound]) -> int:
    """How many passages the last round brought that no round before it had."""
    before = {passage for done in rounds[:-1] for passage in done.passages}
    return len(set(rounds[-1].passages) - before)


def _worst_case(node: Search, ask: Ask, incoming: Incoming, speakers: Speakers) -> tuple[CallBound, ...]:
    speaker = speakers(node.model)
    corpus = _corpus(node)
    found = node.top_k if corpus.passages is None else min(node.top_k, corpus.passages)
    frame = SearchRound("x", ("x",) * found)
    grown = min(QUERY_BYTES, speakers.reply(node.model, node.max_output_tokens)) + found * corpus.longest

    def bound(finished: int, *, last: bool) -> CallBound:
        def render(filled: Ask) -> Messages:
            return speaker.search(filled, [frame] * finished, last=last)

        return bound_of(
            node.model,
            render,
            ask,
            incoming,
            node.max_output_tokens,
            node=node,
            extra_bytes=finished * grown,
            times=most_draws(node),
            speakers=speakers,
        )

    final = most(node.rounds)
    bounds = [bound(finished, last=False) for finished in range(final)]
    if isinstance(node.rounds, Adaptive) or node.keep is not None:  # Any call may turn out to be the last.
        bounds = [max(one, bound(n, last=True), key=lambda call: call.prompt_bytes) for n, one in enumerate(bounds)]
    bounds.append(bound(final, last=True))
    reply = speakers.reply(node.model, node.max_output_tokens) + prefix_size(node, speakers)
    return (*bounds, *(mend for call in bounds for mend in repairs_bound(node, call, reply, speakers)))


async def _oracle(node: Search, inputs: Inputs, context: Context, score: Scorer) -> Message | None:
    """The gold answer with the task's facts (`metadata["facts"]`) as evidence."""
    facts = inputs.task.metadata.get("facts")
    if inputs.question != inputs.task.question or not inputs.task.gold or not isinstance(facts, list | tuple):
        return None
    return said(inputs.task.gold, context, evidence=tuple(map(str, facts)))


def _open(node: Search) -> AbstractContextManager[Retriever]:
    source: Any = node.retriever
    return open_retriever(source, node.passage_bytes)


def _writes(node: Search, ask: Ask, incoming: Incoming, speakers: Speakers) -> MessageSize:
    reply, corpus = speakers.reply(node.model, node.max_output_tokens), _corpus(node)
    passages = most(node.rounds) * node.top_k
    evidence = passages * corpus.longest
    if corpus.passages is not None and corpus.total is not None:
        passages, evidence = min(passages, corpus.passages), min(evidence, corpus.total)
    answer = answer_size(node.output, reply, speakers)
    candidates = min(CANDIDATES, most_draws(node))
    return MessageSize(answer=answer, text=reply, candidates=candidates, evidence=evidence, passages=passages)


def _corpus(node: Search) -> CorpusSize:
    source: Any = node.retriever
    return corpus_size(source, node.passage_bytes)


KIND = Kind(
    config=Search,
    run=_run,
    worst_case=_worst_case,
    open=_open,
    writes=_writes,
    oracle=_oracle,
    draws=draws_of,
    repeats=lambda node: most(node.rounds),
    models=lambda node: (node.model,),
)
