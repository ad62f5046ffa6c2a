from __future__ import annotations

import asyncio
import json
import math
import random
import threading
import time
import urllib.error
import urllib.request
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from apportion.models.chat.asked import SAMPLES_OF_A_SEED
from apportion.models.openai_client import http
from apportion.models.pocket import PocketModel, load_pocket_model, pocket_names
from apportion.models.pocket.serving import PocketServer
from apportion.models.pocket.tokenizer import encode
from apportion.models.request import ChatMessage, Reply, Request

NAME = "pocket-30k"
CHAIN = "T47+83*07-12+55*03="


def embedded(*requests: Request, name: str = NAME) -> list[Reply]:
    async def run() -> list[Reply]:
        model = load_pocket_model(name)
        try:
            return list(await asyncio.gather(*map(model.complete, requests)))
        finally:
            await model.aclose()

    return asyncio.run(run())


def request(prompt: str = CHAIN, **fields: Any) -> Request:
    return Request(NAME, (ChatMessage("user", prompt),), **{"max_output_tokens": 255, "temperature": 1.0} | fields)


def ask(client: OpenAI, prompt: str = CHAIN, **fields: Any) -> ChatCompletion:
    completion = client.chat.completions.create(
        **{"model": NAME, "messages": [{"role": "user", "content": prompt}]} | fields
    )
    assert isinstance(completion, ChatCompletion)
    return completion


def stream(client: OpenAI, prompt: str = CHAIN, **fields: Any) -> list[ChatCompletionChunk]:
    messages: Any = [{"role": "user", "content": prompt}]
    with client.chat.completions.create(model=NAME, messages=messages, stream=True, **fields) as chunks:
        return list(chunks)


def text(completion: ChatCompletion, index: int = 0) -> str:
    content = completion.choices[index].message.content
    assert content is not None
    return content


def test_models(client: OpenAI) -> None:
    assert tuple(model.id for model in client.models.list()) == pocket_names()
    assert client.models.retrieve(NAME).owned_by == "apportion"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("other")


@pytest.mark.parametrize("name", pocket_names())
def test_the_same_text_and_usage_as_the_embedded_model(client: OpenAI, name: str) -> None:
    requests = [
        request(prompt, temperature=temperature, seed=seed, sample=sample, max_output_tokens=cap)
        for prompt, temperature, seed, sample, cap in (
            (CHAIN, 0.0, 0, 0, 255),
            (CHAIN, 1.0, 2, 3, 255),
            ("S47+83=", 1.5, 0, 7, 9),
            ("something that is no shorthand", 2.0, 1, 0, 40),
            ("V47+83=\n47+83=30\n", 0.7, 0, 0, 30),
        )
    ]
    for one, reply in zip(requests, embedded(*requests, name=name), strict=True):
        completion = ask(
            client,
            one.messages[0].content,
            model=name,
            temperature=one.temperature,
            seed=one.seed * SAMPLES_OF_A_SEED + one.sample,
            max_completion_tokens=one.max_output_tokens,
        )
        assert reply.usage is not None
        assert completion.usage is not None
        assert text(completion) == reply.text
        assert completion.choices[0].finish_reason == reply.finish_reason
        assert completion.usage.prompt_tokens == reply.usage.input_tokens
        assert completion.usage.completion_tokens == reply.usage.output_tokens
        assert completion.usage.total_tokens == reply.usage.total_tokens
        assert completion.model == name


def test_plain_english_is_asked_as_shorthand(client: OpenAI) -> None:
    messages = [
        {"role": "system", "content": "Think step by step."},
        {"role": "user", "content": [{"type": "text", "text": "What is 47+83*07-12+55*03?"}]},
    ]
    english, shorthand = ask(client, messages=messages, seed=4), ask(client, seed=4)

    assert english.usage == shorthand.usage
    assert text(english) == text(shorthand)


@pytest.mark.parametrize("cap", [1, 2, 11])
@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_the_cap_is_kept_to_the_token(client: OpenAI, field: str, cap: int) -> None:
    completion = ask(client, CHAIN, temperature=0, **{field: cap})

    assert completion.usage is not None
    assert completion.usage.completion_tokens == cap == len(encode(text(completion)))
    assert completion.choices[0].finish_reason == "length"


def test_the_context_bounds_the_reply_too(client: OpenAI) -> None:
    completion = ask(client, "T" + "+07" * 84 + "=", max_tokens=200)

    assert completion.usage is not None
    assert completion.usage.total_tokens <= 256


def test_n_samples_are_those_of_n_requests(client: OpenAI) -> None:
    together = ask(client, n=5, seed=10, temperature=1.5)
    apart = [ask(client, seed=10 + index, temperature=1.5) for index in range(5)]

    assert [choice.index for choice in together.choices] == list(range(5))
    assert [text(together, index) for index in range(5)] == [text(one) for one in apart]
    assert len({text(one) for one in apart}) > 1
    assert together.usage is not None
    assert together.usage.completion_tokens == sum(one.usage.completion_tokens for one in apart if one.usage)
    assert together.usage.prompt_tokens == len(encode(CHAIN))


def test_only_a_seed_repeats_a_reply(client: OpenAI) -> None:
    prompt = "something that is no shorthand"
    seeded = {text(ask(client, prompt, seed=3, temperature=2)) for _ in range(3)}
    unseeded = {text(ask(client, prompt, temperature=2, max_tokens=30)) for _ in range(6)}

    assert len(seeded) == 1
    assert len(unseeded) > 1


def test_a_stop_text_ends_a_reply_and_is_not_part_of_it(client: OpenAI) -> None:
    whole = text(ask(client, temperature=0))
    for stop in ("=", ["zz", "="], whole[1:4]):
        completion = ask(client, temperature=0, stop=stop)
        place = min(whole.index(one) for one in ([stop] if isinstance(stop, str) else stop) if one in whole)

        assert text(completion) == whole[:place]
        assert completion.choices[0].finish_reason == "stop"
        assert completion.usage is not None
        assert completion.usage.completion_tokens > len(encode(text(completion)))


def test_top_p_narrows_the_choice(client: OpenAI) -> None:
    greedy = text(ask(client, temperature=0))

    assert {text(ask(client, temperature=2, top_p=0, seed=seed)) for seed in range(4)} == {greedy}
    wide = [text(ask(client, temperature=2, seed=seed)) for seed in range(4)]
    assert [text(ask(client, temperature=2, top_p=1, seed=seed)) for seed in range(4)] == wide
    assert [text(ask(client, temperature=2, top_p=0.5, seed=seed)) for seed in range(4)] != wide
    assert text(ask(client, temperature=1e-308, seed=1)) == greedy


def test_logprobs_of_every_token(client: OpenAI) -> None:
    (reply,) = embedded(request(logprobs=True, seed=0, sample=5))
    completion = ask(client, seed=5, logprobs=True, top_logprobs=3)
    logprobs = completion.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert completion.usage is not None
    tokens = logprobs.content

    assert "".join(token.token for token in tokens) == text(completion) == reply.text
    assert len(tokens) == completion.usage.completion_tokens
    assert tokens[-1].token == ""
    assert tokens[-1].bytes is None
    assert all(bytes(token.bytes or []) == token.token.encode() for token in tokens)
    assert reply.mean_logprob == pytest.approx(math.fsum(token.logprob for token in tokens) / len(tokens))
    for token in tokens:
        likeliest = [one.logprob for one in token.top_logprobs]
        assert likeliest == sorted(likeliest, reverse=True)
        assert len(likeliest) == 3
        assert token.logprob <= likeliest[0]
        assert math.fsum(map(math.exp, likeliest)) <= 1 + 1e-9
        known = {one.token: one.logprob for one in token.top_logprobs}
        assert known.get(token.token, token.logprob) == token.logprob


def test_logprobs_only_where_asked_for(client: OpenAI) -> None:
    assert ask(client).choices[0].logprobs is None
    logprobs = ask(client, logprobs=True).choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content
    assert not any(token.top_logprobs for token in logprobs.content)


@pytest.mark.parametrize("fields", [{}, {"stop": ["=4", "=3", "0+"]}, {"max_tokens": 7}, {"n": 3, "temperature": 1.5}])
def test_a_stream_is_the_whole_in_pieces(client: OpenAI, fields: dict[str, Any]) -> None:
    fields = {"seed": 6, "logprobs": True, "top_logprobs": 2} | fields
    whole, chunks = ask(client, **fields), stream(client, stream_options={"include_usage": True}, **fields)

    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert len({chunk.id for chunk in chunks}) == 1
    for choice in whole.choices:
        pieces = [chunk.choices[0] for chunk in chunks[:-1] if chunk.choices[0].index == choice.index]
        assert pieces[0].delta.role == "assistant"
        assert "".join(piece.delta.content or "" for piece in pieces) == choice.message.content
        assert [piece.finish_reason for piece in pieces if piece.finish_reason] == [choice.finish_reason]
        assert pieces[-1].finish_reason
        assert choice.logprobs is not None
        said = [token for piece in pieces if piece.logprobs for token in piece.logprobs.content or ()]
        assert said == choice.logprobs.content


def test_a_stream_without_options_has_no_usage(client: OpenAI) -> None:
    chunks = stream(client, seed=6)

    assert all(chunk.usage is None and chunk.choices for chunk in chunks)
    assert len(chunks) > 3


def test_many_at_once_get_what_they_get_alone(server: PocketServer, client: OpenAI) -> None:
    rng = random.Random(5)
    fields: list[dict[str, Any]] = [
        {
            "messages": [{"role": "user", "content": rng.choice((CHAIN, "S47+83=", "C47+83*02="))}],
            "temperature": rng.choice((0.0, 1.0, 2.0)),
            "top_p": rng.choice((1.0, 0.8)),
            "seed": rng.randint(0, 5),
            "n": rng.choice((1, 3)),
            "logprobs": rng.random() < 0.5,
            "max_tokens": rng.choice((3, 60)),
        }
        for _ in range(40)
    ]

    async def together() -> list[ChatCompletion]:
        async with AsyncOpenAI(base_url=server.base_url, api_key="none", max_retries=0) as many:
            return await asyncio.gather(*(many.chat.completions.create(model=NAME, **one) for one in fields))

    for one, completion in list(zip(fields, asyncio.run(together()), strict=True))[::4]:
        alone = ask(client, **one)
        assert alone.choices == completion.choices
        assert alone.usage == completion.usage


def test_an_async_stream(server: PocketServer, client: OpenAI) -> None:
    async def read() -> str:
        async with AsyncOpenAI(base_url=server.base_url, api_key="none") as many:
            messages: Any = [{"role": "user", "content": CHAIN}]
            chunks = await many.chat.completions.create(model=NAME, messages=messages, seed=1, stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in chunks])

    assert asyncio.run(read()) == text(ask(client, seed=1))


def test_errors_are_typed(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match=r"unknown model 'gpt'; known: .*pocket-30k") as missing:
        ask(client, model="gpt")
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.BadRequestError) as bad:
        ask(client, temperature=3)
    assert (bad.value.param, bad.value.type) == ("temperature", "invalid_request_error")
    with pytest.raises(openai.BadRequestError, match="resulted in 256 tokens") as long:
        ask(client, "S" + "1" * 255)
    assert long.value.code == "context_length_exceeded"
    assert ask(client, "S" + "1" * 254, max_tokens=5).choices[0].finish_reason in ("stop", "length")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/", None, 404, "unknown_url"),
        ("GET", "/v1/models/", None, 404, "model_not_found"),
        ("POST", "/v1/completions", b"{}", 404, "unknown_url"),
        ("GET", "/v1/chat/completions", None, 405, "method_not_allowed"),
        ("POST", "/v1/models", b"{}", 405, "method_not_allowed"),
        ("POST", "/v1/chat/completions", b"{", 400, "invalid_json"),
        ("POST", "/v1/chat/completions", b"{}", 400, "missing_required_parameter"),
        ("POST", "/v1/chat/completions", b"x" * 300_000, 413, "request_too_large"),
    ],
)
def test_every_refusal_has_openais_shape(
    server: PocketServer, method: str, path: str, body: bytes | None, status: int, code: str
) -> None:
    url = server.base_url.removesuffix("/v1") + path
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(url, data=body, method=method), timeout=20)
    with refused.value as answer:
        error = json.loads(answer.read())["error"]

    assert answer.code == status
    assert error["code"] == code
    assert error["message"]
    assert set(error) == {"message", "type", "param", "code"}
    if status == 405:
        assert answer.headers["allow"]


def test_a_full_queue_is_a_429_that_says_when_to_come_back(gate: threading.Event) -> None:
    with PocketServer([load_pocket_model(NAME)], queue=3) as server:
        client = OpenAI(base_url=server.base_url, api_key="none", max_retries=0)
        with (
            client,
            client.chat.completions.create(
                model=NAME, messages=[{"role": "user", "content": CHAIN}], n=2, seed=1, stream=True
            ) as waiting,
        ):
            with pytest.raises(openai.RateLimitError, match="2 of at most 3 samples") as full:
                ask(client, n=2)
            assert full.value.response.headers["retry-after"] == "1"
            assert full.value.code == "rate_limit_exceeded"
            with pytest.raises(openai.BadRequestError, match="holds 3 samples"):
                ask(client, n=4)
            gate.set()
            assert [chunk.choices[0].finish_reason for chunk in waiting].count(None) > 2
            assert len(ask(client, n=3).choices) == 3


@pytest.mark.parametrize("streamed", [True, False])
def test_a_client_that_leaves_frees_its_place(gate: threading.Event, streamed: bool) -> None:
    with PocketServer([load_pocket_model(NAME)], queue=1) as server:
        client = OpenAI(base_url=server.base_url, api_key="none", max_retries=0)
        with client:
            with pytest.raises((openai.APITimeoutError, http.TimeoutException)):  # openai 2 does not wrap it in streams
                list(client.chat.completions.create(
                    model=NAME, messages=[{"role": "user", "content": CHAIN}], stream=streamed, timeout=0.5
                ))  # fmt: skip
            for _ in range(200):
                try:
                    ask(client, timeout=0.5)
                except openai.RateLimitError:
                    time.sleep(0.05)
                except openai.APITimeoutError:
                    break  # it was let in, and waits for the gate
            else:
                pytest.fail("the place was never given back")
            gate.set()


def test_a_fault_of_the_model_is_a_500_and_ends_a_stream_with_an_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*arguments: object) -> None:
        raise ArithmeticError("planted")

    model = PocketModel(load_pocket_model(NAME).card)
    with PocketServer([model], queue=1) as server:
        client = OpenAI(base_url=server.base_url, api_key="none", max_retries=0)
        with client:
            with monkeypatch.context() as patched:
                patched.setattr("apportion.models.pocket.engine.choose", fail)
                with pytest.raises(openai.InternalServerError, match="the server's log"):
                    ask(client)
                with pytest.raises(openai.APIError, match="the server's log"):
                    stream(client)
            assert ask(client, seed=1).choices
    assert "planted" in caplog.text


def test_responses(client: OpenAI) -> None:
    asked: Any = {"model": NAME, "input": CHAIN, "temperature": 0, "max_output_tokens": 40}
    whole = client.responses.create(**asked)
    completion = ask(client, temperature=0, max_completion_tokens=40)
    assert whole.output_text == text(completion)
    assert completion.usage is not None
    assert whole.usage is not None
    assert whole.usage.total_tokens == completion.usage.total_tokens
    events = list(client.responses.create(**asked, stream=True))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == whole.output_text
    assert events[-1].type == f"response.{whole.status}"
