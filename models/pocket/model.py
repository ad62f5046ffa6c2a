"""The embedded models as a `Model`: real, tiny language models that run in this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from functools import partial
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from ...errors import UnknownName, UnsupportedSchema
from ..card import ModelCard
from ..delta import Delta
from ..request import ChatMessage, Reply, Request
from .calling import prompt_with_results
from .engine import Engine, Job, Written
from .further import taken_up
from .guide import Guide
from .guided_requests import guide_for, refused
from .network import Network
from .replies import Deltas, reply_of
from .samples import Samples
from .sampling import uniform_draws
from .tokenizer import encode

__all__ = ["PocketModel", "load_pocket_model", "load_pocket_models", "pocket_names"]


class PocketModel:
    """A tiny language model in numpy.

    It reads the last user message as it is; the dialect `pocket` writes that message. The same request and sample
    index give the same text, bit for bit, whatever else runs at the same time. The weights are read on first use.

    It can be held to a small JSON schema, see `terms_of`, and call tools, see `guide_for`.

    Args:
        card: what is known of it.
        arrays: its weights, as `Network` takes them; None means those shipped under the card's name.
        rows: the most requests that advance together.
    """

    def __init__(
        self, card: ModelCard, arrays: Mapping[str, NDArray[np.generic]] | None = None, *, rows: int = 64
    ) -> None:
        self._card = card
        self._arrays = arrays
        self._rows = rows
        self._engine: Engine | None = None

    @property
    def card(self) -> ModelCard:
        """What is known of it."""
        return self._card

    def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """The exact number of prompt tokens."""
        return len(encode(prompt_with_results(messages)))

    async def complete(self, request: Request) -> Reply:
        """Completes the last user message, up to the end of a line.

        Raises:
            CallFailed: the prompt is empty or does not fit the context, the schema of the reply cannot be held to, no
                JSON of it fits the output cap, or `further` asks for what it does not do; nothing is billed.
        """
        request, top_p = taken_up(request)
        (job,) = self.begin((request,), top_p=top_p)
        return reply_of(request, len(job.tokens), await asyncio.wrap_future(job.done))

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        """See `StreamingModel`; a delta for every token that has a text, where it is known at once what that is.

        Raises:
            CallFailed: see `complete`.
        """
        request, top_p = taken_up(request)
        samples = Samples(request, lambda watch: self.begin((request,), top_p=top_p, watch=watch), token_by_token=True)
        deltas = Deltas(request, samples.guide(0))
        try:
            async for _, written in samples.news():
                if written is not None:
                    for delta in deltas.add(written):
                        yield delta
            reply = samples.reply(0)
            for delta in deltas.finish(reply):
                yield delta
            yield reply
        finally:
            samples.cancel()

    def begin(
        self,
        requests: Sequence[Request],
        *,
        top_p: float = 1.0,
        top_logprobs: int | None = None,
        watch: Callable[[int, Written], None] | None = None,
    ) -> tuple[Job, ...]:
        """Starts requests, which have no further fields, without waiting for them.

        Args:
            requests: what to complete; they advance together.
            top_p: see `choose`.
            top_logprobs: see `Job`.
            watch: called with the position of a request and each token written for it, see `Job`.

        Returns:
            A job for each request; its `done` gives what was written, and to cancel `done` is to end the job.

        Raises:
            CallFailed: see `complete`; none was started.
        """
        jobs = tuple(self._job(request) for request in requests)
        for position, job in enumerate(jobs):
            job.top_p, job.top_logprobs = top_p, top_logprobs
            job.watch = None if watch is None else partial(watch, position)
        self._running().submit(jobs)
        return jobs

    async def aclose(self) -> None:
        """Ends the thread that runs the model; a later request starts another."""
        if self._engine is not None:
            await asyncio.to_thread(self._engine.close)

    def _job(self, request: Request) -> Job:
        prompt = prompt_with_results(request.conversation)
        tokens = tuple(encode(prompt))
        room = self._card.context_tokens - len(tokens)
        if not tokens:
            raise refused("the last user message is empty; pocket models need a prompt")
        if request.max_output_tokens < 1:
            raise refused(f"max_output_tokens is {request.max_output_tokens}; it must be at least 1")
        if room < 1:
            raise refused(
                f"the prompt has {len(tokens)} tokens and the context of {self._card.name} holds "
                f"{self._card.context_tokens}; shorten the question or its passages"
            )
        cap = min(request.max_output_tokens, room, self._card.max_output_tokens)
        guide = _guide(request, prompt, tokens, cap)
        draws = np.empty(0)
        if request.temperature > 0:
            draws = uniform_draws(self._card.name, tokens, request.seed, request.sample, cap, source=request.source)
        return Job(tokens, cap, request.temperature, draws, request.stop, request.logprobs, guide=guide)

    def _running(self) -> Engine:
        if self._engine is None:
            self._engine = Engine(Network(self._arrays or _shipped_arrays(self._card.name)), self._rows)
        return self._engine


def pocket_names() -> tuple[str, ...]:
    """The shipped models, the smallest first."""
    return tuple(card.name for card in _shipped_cards())


def load_pocket_models() -> tuple[PocketModel, ...]:
    """All shipped models, the smallest first."""
    return tuple(PocketModel(card) for card in _shipped_cards())


def load_pocket_model(name: str) -> PocketModel:
    """A shipped model.

    Raises:
        UnknownName: no model of that name is shipped.
    """
    models = {model.card.name: model for model in load_pocket_models()}
    if name not in models:
        raise UnknownName("pocket model", name, models)
    return models[name]


def _shipped_cards() -> list[ModelCard]:
    folder = files(f"{__package__}.weights")
    found = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".json"))
    cards = [ModelCard.model_validate(json.loads((folder / name).read_text(encoding="utf-8"))) for name in found]
    return sorted(cards, key=lambda card: (card.weight, card.name))


def _shipped_arrays(name: str) -> dict[str, NDArray[np.generic]]:
    with (files(f"{__package__}.weights") / f"{name}.npz").open("rb") as stream, np.load(stream) as arrays:
        return dict(arrays)


def _guide(request: Request, prompt: str, tokens: tuple[int, ...], cap: int) -> Guide | None:
    try:
        return guide_for(request, prompt, tokens, cap)
    except UnsupportedSchema as error:
        raise refused(str(error)) from None
