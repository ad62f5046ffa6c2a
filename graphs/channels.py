"""What edges carry: the most that each node's message may have, from what the node may write."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from ..models.base import Model
from ..models.pool import Pool
from ..models.request import ChatMessage
from ..nodes.asks import FILLER
from ..nodes.base import Incoming, Speakers
from ..nodes.parts import part_bytes
from ..nodes.prompts import dialect_named
from ..nodes.prompts.base import Ask
from ..records.message import ANY_SIZE, Forward, Message, MessageSize
from ..records.status import Status
from ..records.task import Task
from ..records.text import longest_bytes
from .resolved import ResolvedPlan, Step

__all__ = ["Channels", "asked_of", "incoming_of", "message_sizes", "speakers_of"]


@dataclass(frozen=True, slots=True)
class Channels:
    """What the edges of a run carry."""

    sizes: Mapping[str, MessageSize]
    """By the node that they come from."""
    measure: Callable[[str], int]
    """How large a text is, in the unit of the sizes."""

    def carried(self, message: Message, source: str, target: str, policy: Forward) -> Message:
        """A message as its reader sees it; one that is too large for its edge says which edge, and what to change."""
        carried = message.forwarded(policy, self.sizes[source], self.measure)
        if carried.status is not Status.OVERSIZE or message.status is Status.OVERSIZE:
            return carried
        remedy = f"it follows from the output cap of node {source!r} and `bytes_per_token` in its model's card"
        return replace(carried, reason=f"edge {source}->{target}: {carried.reason}; {remedy}")


def speakers_of(resolved: ResolvedPlan, pool: Pool) -> Speakers:
    """How large texts are for the models of a plan.

    Where one exact tokenizer counts for all of them, in its tokens: what a model wrote in so many tokens is read in as
    many. Else in bytes, of which no tokenizer makes more tokens.
    """
    dialect = lru_cache(dialect_named)
    measure = _shared_count([pool.model(name) for step in resolved.steps.values() for name in step.models])

    def reply(model: str, tokens: int) -> int:
        card = pool.card(model)
        most = min(tokens, card.max_output_tokens) + card.output_slack_tokens
        return most * (card.bytes_per_token if measure is longest_bytes else 1)

    return Speakers(lambda model: dialect(pool.card(model).dialect), reply, measure, pool.card)


def _shared_count(models: Sequence[Model]) -> Callable[[str], int]:
    tokenizers = {model.card.tokenizer if model.card.exact_tokenizer else "" for model in models}
    if len(tokenizers) != 1 or "" in tokenizers:
        return longest_bytes
    model = models[0]
    empty = model.count_tokens((ChatMessage("user", ""),))
    if empty is None:
        return longest_bytes

    def count(text: str) -> int:
        return (model.count_tokens((ChatMessage("user", text),)) or 0) - empty

    return count


def asked_of(step: Step, task: Task) -> Ask:
    """What a node is asked, before anything has run; a part of a question may be as long as `part_bytes`."""
    question = task.question if step.split is None else FILLER * part_bytes(task.question)
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
            parts = (step.most_parts + 1) * part_bytes(task.question)
            size = replace(size, combine=max(size.combine, parts))
        if step.split is not None:
            size = _of_parts(size, resolved.steps[step.split].most_parts)
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
