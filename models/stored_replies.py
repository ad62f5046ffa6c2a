"""Which stored reply answers a request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import reduce
from itertools import count
from operator import add
from typing import get_args

from ..errors import StoreError
from ..records.protocols import ReplyCache
from ..records.rows import StoredReply
from .card import ModelCard
from .request import FinishReason, Reply, Request

__all__ = ["StoredReplies", "within"]


class StoredReplies:
    """The stored replies of one model, and where new ones go.

    A reply is stored under the content address of its request. Where the card says that truncation is exact, a reply
    also answers the same request under other output caps, see `within`. Such replies are stored apart, under addresses
    that leave the cap out: the first, and then each that answered a cap for which those before it were too short.
    (When two processes ask for different caps at the same moment, only one of the replies is kept.)

    Args:
        replies: by key.
        card: of the model.
    """

    def __init__(self, replies: ReplyCache, card: ModelCard) -> None:
        self._replies = replies
        self._fingerprint = card.fingerprint
        self._truncates = card.truncation == "exact"

    def key(self, request: Request) -> str:
        """The content address of a request."""
        return request.key(self._fingerprint)

    def question(self, request: Request) -> str:
        """What is the same for all requests that one reply may answer."""
        return request.key(self._fingerprint, rung=0) if self._exact(request) else self.key(request)

    def find(self, request: Request, key: str) -> Reply | None:
        """The reply to a request, as the model would give it, or None.

        Args:
            request: what is asked.
            key: its content address.

        Raises:
            StoreError: it is damaged.
        """
        if self._exact(request):
            for _, known in self._rungs(request):
                reply = None if known is None else within(known, request.max_output_tokens)
                if reply is not None:
                    return reply
        return self._stored(key)

    def place(self, request: Request, key: str, reply: Reply) -> str:
        """The key under which to store a new reply."""
        if not self._exact(request) or within(reply, request.max_output_tokens) != reply:
            return key
        return next(rung for rung, known in self._rungs(request) if known is None)

    def _exact(self, request: Request) -> bool:
        """Whether a reply under another cap tells this one; JSON of a schema is made to fit its cap."""
        return self._truncates and not (request.response_schema or request.tools or request.further)

    def _rungs(self, request: Request) -> Iterator[tuple[str, Reply | None]]:
        """The replies that answer some cap, with their keys, and last the first key that is free."""
        for rung in count():
            key = request.key(self._fingerprint, rung=rung)
            known = self._stored(key)
            yield key, known
            if known is None:
                return

    def _stored(self, key: str) -> Reply | None:
        stored = self._replies.get(key)
        return None if stored is None else _read(stored)


def _read(stored: StoredReply) -> Reply:
    try:
        reply = Reply.from_json(stored.payload)
        if not isinstance(reply.text, str) or reply.finish_reason not in get_args(FinishReason):
            raise ValueError("text or finish_reason is none")
        return reply
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as problem:
        raise StoreError(
            f"the reply stored under request_key {stored.request_key!r} is damaged ({problem!r}); restore a copy of "
            "the database, or take the row out of table 'reply': the call is then made once more"
        ) from problem


def within(reply: Reply, cap: int) -> Reply | None:
    """What a reply would have been under another output cap, for models whose truncation is exact.

    Args:
        reply: the whole reply, or one that was cut off at a cap.
        cap: in tokens.

    Returns:
        The reply as it is where the model ended by itself within the cap, its beginning where it is longer and its
        tokens are known, and None where it does not tell.
    """
    usage = reply.usage
    if usage is None or reply.finish_reason not in ("stop", "length"):
        return None
    if usage.output_tokens < cap:
        return reply if reply.finish_reason == "stop" else None
    if usage.output_tokens == cap:
        return reply
    if len(reply.pieces) != usage.output_tokens or reply.reasoning or reply.tool_calls:
        return None
    mean = reply.mean_logprob
    if mean is not None:
        if len(reply.logprobs) != usage.output_tokens:
            return None
        # In the order and the rounding in which the model added them up.
        mean = reduce(add, reply.logprobs[:cap], 0.0) / cap
    return replace(
        reply,
        text="".join(reply.pieces[:cap]),
        finish_reason="length",
        usage=replace(usage, output_tokens=cap, reasoning_tokens=min(cap, usage.reasoning_tokens)),
        mean_logprob=mean,
        pieces=reply.pieces[:cap],
        logprobs=reply.logprobs[:cap],
    )
