"""What edges carry: the most that each node's message may have, from what the node may write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache

from ..models.pool import Pool
from ..models.request import ChatMessage
from ..nodes.base import Incoming, Speakers
from ..nodes.parts import part_bytes
from ..nodes.prompts import dialect_named
from ..nodes.prompts.base import Ask
from ..records.message import ANY_SIZE, MessageSize
from ..records.task import Task
from ..records.text import longest_bytes
from .parts import most_parts
from .resolved import ResolvedPlan, Step

__all__ = ["asked_of", "incoming_of", "message_sizes", "speakers_of"]


def speakers_of(pool: Pool) -> Speakers:
    """How large texts are for the models of a pool.

    Where one exact tokenizer counts for all of them, in its tokens: what a model wrote in so many tokens is read in as
    many. Else in bytes, of which no tokenizer makes more tokens.
    """
    dialect = lru_cache(dialect_named)
    measure = _shared_count(pool)

    def reply(model: str, tokens: int) -> int:
        card = pool.card(model)
        most = min(tokens, card.max_output_tokens) + card.output_slack_tokens
        return most * (card.bytes_per_token if measure is longest_bytes else 1)

    return Speakers(lambda model: dialect(pool.card(model).dialect), reply, measure)


def _shared_count(pool: Pool) -> Callable[[str], int]:
    tokenizers = {card.tokenizer if card.exact_tokenizer else "" for card in pool.cards}
    model = next(iter(pool))
    empty = model.count_tokens((ChatMessage("user", ""),))
    if len(tokenizers) > 1 or "" in tokenizers or empty is None:
        return longest_bytes

    def count(text: str) -> int:
        return (model.count_tokens((ChatMessage("user", text),)) or 0) - empty

    return count


def asked_of(step: Step, task: Task) -> Ask:
    """What a node is asked, before anything has run; a part of a question may be as long as `part_bytes`."""
    question = task.question if step.split is None else "x" * part_bytes(task.question)
    return Ask(question, task.instructions, task.context)


def message_sizes(resolved: ResolvedPlan, task: Task, speakers: Speakers) -> Mapping[str, MessageSize]:
    """By node, the most that its message has, as its readers see it behind an edge that lets everything through."""
    sizes: dict[str, MessageSize] = {}
    for name, step in resolved.steps.items():
        writes = step.kind.writes
        size = ANY_SIZE
        if writes is not None:
            size = writes(step.node, asked_of(step, task), incoming_of(step, sizes), speakers)
        if any(group.split == name for group in resolved.active.groups):
            parts = (most_parts(step.node) + 1) * part_bytes(task.question)
            size = replace(size, combine=max(size.combine, parts))
        if step.split is not None:
            size = _of_parts(size, most_parts(resolved.steps[step.split].node))
        sizes[name] = size
    return sizes


def incoming_of(step: Step, sizes: Mapping[str, MessageSize]) -> Incoming:
    """What a node's edges may bring; of the node that splits its question, nothing else than the parts."""
    read = [sizes[source].through(policy) for source, policy in step.sources if source != step.split]
    back = step.loop
    previous = None
    if back is not None and back.high > 1 and (step.begins_round or step.ends_round) and back.loop.check in sizes:
        previous = sizes[back.loop.check].through(back.forward)
    return Incoming(read, previous)


def _of_parts(size: MessageSize, parts: int) -> MessageSize:
    """The results of all parts as one message: a candidate for each."""
    most = None if size.most is None else size.most * parts
    return replace(size, candidates=parts, evidence=size.evidence * parts, passages=size.passages * parts, most=most)
