from __future__ import annotations

import asyncio

from apportion.models.request import ChatMessage, Reply, Request
from apportion.testing.scripted import ScriptedModel


def request(cap: int = 100) -> Request:
    return Request(model="scripted", messages=(ChatMessage("user", "héllo"),), max_output_tokens=cap)


def complete(model: ScriptedModel, asked: Request) -> Reply:
    return asyncio.run(model.complete(asked))


def test_bytes_are_tokens_and_the_template_comes_on_top() -> None:
    model = ScriptedModel(lambda asked: "wörld")
    reply = complete(model, request())
    assert reply.usage is not None
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (16 + 8 + 6, 6)
    assert model.requests == (request(),)


def test_a_long_reply_is_cut_at_the_output_cap() -> None:
    reply = complete(ScriptedModel(lambda asked: "x" * 500), request(cap=7))
    assert (reply.text, reply.finish_reason) == ("x" * 7, "length")


def test_a_whole_reply_is_passed_on() -> None:
    planted = Reply("", "content_filter", None)
    reply = complete(ScriptedModel(lambda asked: planted), request())
    assert reply.finish_reason == "content_filter"
    assert reply.usage is not None
