"""What every model must do, as tests that the built-in models pass and that yours can run too."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

from ..errors import CallFailed
from ..models.base import Model, stream_of
from ..models.call_bounds import call_bounds
from ..models.delta import Delta
from ..models.departure import Departure, announces
from ..models.request import ChatMessage, FinishReason, Reply, Request

__all__ = ["HOSTILE_TEXTS", "ModelConformance"]

HOSTILE_TEXTS: Sequence[str] = (
    "",
    " ",
    "\x00\x1f\x7f",
    "<|endoftext|><|im_start|>system",
    "\ufdfa" * 20,
    "½" * 50,
    "日本語のテキスト" * 10,
    "👩‍👩‍👧‍👦" * 10,
    '{"role": "system"}\n\n```\n',
    "a" * 500,
)
"""Texts that break tokenizers, templates or JSON; U+FDFA and the fraction have more bytes after NFKC than before."""


class ModelConformance:
    """The contract of `Model`, one test a clause.

    Use it in a test module of your own, with pytest::

        class TestMyModel(ModelConformance):
            def make_model(self) -> Model:
                return MyModel(...)

    Override `request` where the model understands only some prompts.
    """

    deterministic = False
    """Whether the same request always gets the same text, alone or among others."""

    def make_model(self) -> Model:
        """A new model, ready to be called."""
        raise NotImplementedError

    def request(self, model: Model) -> Request:
        """A request that the model can answer."""
        return Request(model.card.name, (ChatMessage("user", "Say ok."),), max_output_tokens=16)

    def test_its_card_does_not_change(self) -> None:
        """Nothing that a call does shows in the card."""
        model = self.make_model()
        before = model.card
        asyncio.run(_complete(model, [self.request(model)]))
        assert model.card == before, "the card must be the same before and after a call"

    def test_it_replies(self) -> None:
        """A reply holds text, a known finish reason, and usage within its bounds."""
        model = self.make_model()
        request = self.request(model)
        (reply,) = asyncio.run(_complete(model, [request]))
        _check_reply(model, request, reply)

    def test_a_reply_survives_storage(self) -> None:
        """Caches keep replies as JSON."""
        model = self.make_model()
        (reply,) = asyncio.run(_complete(model, [self.request(model)]))
        assert Reply.from_json(reply.to_json()) == reply, "a stored reply must read back as it was"

    def test_the_output_cap_holds(self) -> None:
        """No reply is longer than was asked for; the ledger rests on it."""
        model = self.make_model()
        for cap in (1, 2, 5):
            request = replace(self.request(model), max_output_tokens=cap)
            (reply,) = asyncio.run(_complete(model, [request]))
            _check_reply(model, request, reply)

    def test_hostile_text_stays_within_the_bound_of_its_prompt(self) -> None:
        """Whatever the text, there is a typed outcome, and no prompt costs more than was reserved for it."""
        model = self.make_model()

        async def complete_all() -> None:
            for text in HOSTILE_TEXTS:
                request = replace(self.request(model), messages=(ChatMessage("user", text),))
                try:
                    reply = await model.complete(request)
                except CallFailed as failure:
                    usage = failure.usage
                    assert usage is None or usage.input_tokens <= call_bounds(model, request).input_tokens
                else:
                    _check_reply(model, request, reply)
            await model.aclose()

        asyncio.run(complete_all())

    def test_a_count_of_tokens_is_a_bound(self) -> None:
        """Where a model counts tokens itself, the count is what it charges at most."""
        model = self.make_model()
        request = self.request(model)
        count = model.count_tokens(request.messages)
        (reply,) = asyncio.run(_complete(model, [request]))
        if count is not None and reply.usage is not None:
            assert reply.usage.input_tokens <= count, "the model reported more prompt tokens than it counts itself"

    def test_a_stream_comes_to_the_reply(self) -> None:
        """Deltas come first and say what the reply says, which comes last; left early, a stream leaves no trace."""
        model = self.make_model()
        if getattr(model, "stream", None) is None:
            return
        request = self.request(model)

        async def read() -> list[Delta | Reply]:
            await _left_early(model, request)
            items = [item async for item in stream_of(model, request)]
            await model.aclose()
            return items

        *deltas, reply = asyncio.run(read())
        assert isinstance(reply, Reply), f"a stream ends with the reply, not with {reply!r}"
        assert all(isinstance(delta, Delta) for delta in deltas), "before the reply there are deltas only"
        _check_reply(model, request, reply)
        said = "".join(delta.text or delta.refusal for delta in deltas if isinstance(delta, Delta))
        assert said in ("", reply.text), f"the deltas say {said!r}, the reply {reply.text!r}"
        if self.deterministic:
            (whole,) = asyncio.run(_complete(model, [request]))
            assert (whole.text, whole.usage) == (reply.text, reply.usage), "streamed or not, a reply is the same"

    def test_many_at_once(self) -> None:
        """Concurrent calls do not disturb each other."""
        model = self.make_model()
        request = self.request(model)
        requests = [request.with_sample(sample) for sample in range(20)]
        together = asyncio.run(_complete(model, requests))
        for asked, reply in zip(requests, together, strict=True):
            _check_reply(model, asked, reply)
        if self.deterministic:
            alone = [asyncio.run(_complete(model, [asked]))[0] for asked in requests[:3]]
            assert [reply.text for reply in alone] == [reply.text for reply in together[:3]]

    def test_it_can_be_used_again_after_it_was_closed(self) -> None:
        """Closing lets go of connections, not of the model."""
        model = self.make_model()

        async def twice() -> None:
            for _ in range(2):
                await model.complete(self.request(model))
                await model.aclose()
                await model.aclose()

        asyncio.run(twice())

    def test_it_can_be_used_in_one_event_loop_after_another(self) -> None:
        """Nothing is tied to the first event loop, and nothing is left open when one ends."""
        model = self.make_model()
        for _ in range(2):
            asyncio.run(_complete(model, [self.request(model)], close=False))

    def test_it_says_when_a_request_leaves(self) -> None:
        """A model that announces its requests does so once for each, and sends none that could not be announced."""
        model = self.make_model()
        if not announces(model):
            return

        async def announced(refusal: Exception | None = None) -> int:
            announcements = 0

            def announce() -> None:
                nonlocal announcements
                announcements += 1
                if refusal is not None:
                    raise refusal

            with Departure(announce).expected():
                (outcome,) = await asyncio.gather(model.complete(self.request(model)), return_exceptions=True)
            await model.aclose()
            assert isinstance(outcome, Reply if refusal is None else Exception), f"it ended with {outcome!r}"
            return announcements

        assert asyncio.run(announced()) == 1, "each request is announced once"
        assert asyncio.run(announced(LookupError("no"))) == 1, "an announcement that fails ends the call"

    def test_cancellation_reaches_the_caller(self) -> None:
        """A cancelled call ends with CancelledError, and the model works on."""
        model = self.make_model()

        async def cancel() -> None:
            task = asyncio.ensure_future(model.complete(self.request(model)))
            await asyncio.sleep(0)
            task.cancel()
            (outcome,) = await asyncio.gather(task, return_exceptions=True)
            # A call that was done before it could be cancelled is fine; any other exception is not.
            assert isinstance(outcome, asyncio.CancelledError | Reply), f"cancelled, it ended with {outcome!r}"
            await model.complete(self.request(model))
            await model.aclose()

        asyncio.run(cancel())


async def _complete(model: Model, requests: Sequence[Request], *, close: bool = True) -> Sequence[Reply]:
    try:
        return await asyncio.gather(*(model.complete(request) for request in requests))
    finally:
        if close:
            await model.aclose()


async def _left_early(model: Model, request: Request) -> None:
    stream = stream_of(model, request)
    await anext(stream)
    await stream.aclose()


def _check_reply(model: Model, request: Request, reply: Reply) -> None:
    assert reply.finish_reason in get_args(FinishReason), f"unknown finish_reason {reply.finish_reason!r}"
    reply.text.encode()
    if reply.mean_logprob is not None:
        assert reply.mean_logprob <= 0.0, "a log-probability is never above 0"
    if reply.first_token_entropy is not None:
        assert reply.first_token_entropy >= 0.0, "an entropy is never below 0"
    usage = reply.usage
    if usage is None:
        return
    assert 0 <= usage.reasoning_tokens <= usage.output_tokens, "reasoning is a part of the output"
    assert 0 <= usage.cached_input_tokens <= usage.input_tokens, "cached tokens are a part of the input"
    cap = request.max_output_tokens + model.card.output_slack_tokens
    assert usage.output_tokens <= cap, f"{usage.output_tokens} tokens for an output cap of {cap}"
    bound = call_bounds(model, request).input_tokens
    assert usage.input_tokens <= bound, f"{usage.input_tokens} prompt tokens for a bound of {bound}"
