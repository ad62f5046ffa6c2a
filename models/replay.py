"""Answering from a stored study, without a model."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import CallFailed
from ..records.protocols import ReplyCache
from ..records.status import Status
from .card import ModelCard
from .request import ChatMessage, Reply, Request
from .stored_replies import StoredReplies

__all__ = ["ReplayModel"]


class ReplayModel:
    """Answers only what was answered before, so that a study can be run again offline and at no cost.

    Args:
        card: of the model that answered then; its fingerprint and dialect decide which requests are found.
        replies: the stored replies, for example a study's store.
    """

    def __init__(self, card: ModelCard, replies: ReplyCache) -> None:
        self._card = card
        self._known = StoredReplies(replies, card)

    @property
    def card(self) -> ModelCard:
        """What is known of the model that answered then."""
        return self._card

    async def complete(self, request: Request) -> Reply:
        """The stored reply.

        Raises:
            CallFailed: the request was never answered; status refused, nothing billed.
        """
        key = self._known.key(request)
        reply = self._known.find(request, key)
        if reply is None:
            raise CallFailed(
                Status.REFUSED,
                f"model {self._card.name!r} only replays, and this request (key {key[:12]}, sample {request.sample}) "
                "is not among the stored replies",
                billed=False,
            )
        return reply

    def count_tokens(self, messages: Sequence[ChatMessage]) -> int | None:
        """None: a replay has no tokenizer, so prompts are bounded by bytes."""
        return None

    async def aclose(self) -> None:
        """Nothing to let go of."""
