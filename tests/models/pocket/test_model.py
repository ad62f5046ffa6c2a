from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest

from apportion.errors import CallFailed, UnknownName
from apportion.models.base import Model
from apportion.models.pocket import PocketModel, load_pocket_model, load_pocket_models, pocket_names
from apportion.models.pocket.engine import Written
from apportion.models.pocket.tokenizer import END, decode, encode
from apportion.models.request import ChatMessage, Reply, Request
from apportion.models.stored_replies import within
from apportion.records.status import Status

NAMES = (
    "pocket-30k",
    "pocket-100k",
    "pocket-100k-arithmetic",
    "pocket-100k-reading",
    "pocket-100k-standard",
    "pocket-800k",
)


def asked(text: str, **settings: object) -> Request:
    base = Request("pocket", (ChatMessage("user", text),), max_output_tokens=40)
    return replace(base, **settings)  # type: ignore[arg-type]


def complete(model: PocketModel, requests: Sequence[Request]) -> list[Reply]:
    async def run() -> list[Reply]:
        try:
            return list(await asyncio.gather(*(model.complete(request) for request in requests)))
        finally:
            await model.aclose()

    return asyncio.run(run())


def mixed_requests(seed: int, count: int) -> list[Request]:
    """Prompts of all roles and lengths, with and without logprobs, at several temperatures, caps and samples."""
    rng = random.Random(seed)
    prompts = [
        "S47+83=",
        "T47+83*07-12+55*03=",
        "C(47+83)-(12-05*03)=",
        "FFind a,b,c from 1 to 4: a and b differ; c is 2 more than a.",
        "QWhich room is kemo in?\n>kemo stays\nrali saw kemo. kemo stays with rali.\n",
        "V47+83=\n47+83=30\n",
        "something else entirely, with wörds",
        "T" + "+07" * 40 + "=",
    ]
    return [
        asked(
            rng.choice(prompts),
            temperature=rng.choice((0.0, 0.7, 1.0, 1.5)),
            sample=rng.randint(0, 3),
            seed=rng.randint(0, 2),
            max_output_tokens=rng.choice((1, 2, 7, 40, 200)),
            logprobs=rng.random() < 0.5,
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("name", NAMES)
def test_the_same_request_gives_the_same_reply_in_any_company(name: str) -> None:
    requests = mixed_requests(7, 90)
    together = complete(load_pocket_model(name), requests)
    few_rows = PocketModel(load_pocket_model(name).card, rows=3)
    shuffled = list(range(len(requests)))
    random.Random(1).shuffle(shuffled)
    apart = dict(zip(shuffled, complete(few_rows, [requests[i] for i in shuffled]), strict=True))

    assert [apart[i] for i in range(len(requests))] == together
    for i in (0, 17, 42):
        assert complete(load_pocket_model(name), requests[i : i + 1]) == together[i : i + 1]


def test_a_shorter_cap_gives_the_beginning_of_the_longer_reply() -> None:
    full = asked("T47+83*07-12+55*03=", temperature=1.0)
    replies = complete(load_pocket_model("pocket-100k"), [replace(full, max_output_tokens=n) for n in (1, 5, 12, 40)])

    assert all(replies[-1].text.startswith(reply.text) for reply in replies)


@pytest.mark.parametrize("name", pocket_names())
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_longer_reply_cut_to_a_cap_is_the_reply_under_that_cap(name: str, temperature: float) -> None:
    full = replace(asked("T47+83*07-12+55*03=", temperature=temperature), logprobs=True, max_output_tokens=40)
    whole, *capped = complete(
        load_pocket_model(name), [full, *(replace(full, max_output_tokens=n) for n in range(1, 40))]
    )

    assert load_pocket_model(name).card.truncation == "exact"
    assert [within(whole, cap) for cap in range(1, 40)] == capped


@pytest.mark.parametrize("cap", [1, 2, 3, 11])
def test_the_cap_is_kept_to_the_token_and_usage_is_exact(cap: int) -> None:
    (reply,) = complete(load_pocket_model("pocket-100k"), [asked("T47+83*07-12+55*03=", max_output_tokens=cap)])

    assert reply.usage is not None
    assert reply.finish_reason == "length"
    assert reply.usage.output_tokens == cap == len(encode(reply.text))
    assert reply.usage.input_tokens == len(encode("T47+83*07-12+55*03="))


def test_a_reply_ends_with_its_line_and_the_end_is_counted() -> None:
    (reply,) = complete(load_pocket_model("pocket-100k"), [asked("S47+83=")])

    assert reply.finish_reason == "stop"
    assert "\n" not in reply.text
    assert reply.usage is not None
    assert reply.usage.output_tokens == len(encode(reply.text)) + 1


def test_a_stop_text_ends_the_reply_and_is_not_part_of_it() -> None:
    whole, cut = complete(
        load_pocket_model("pocket-100k"), [asked("T47+83*07="), asked("T47+83*07=", stop=("zz", "="))]
    )

    assert cut.text == whole.text[: whole.text.index("=")]
    assert cut.finish_reason == "stop"
    assert cut.usage is not None
    assert cut.usage.output_tokens == len(encode(cut.text)) + 1


def test_logprobs_only_where_asked_for() -> None:
    without, plain, warm = complete(
        load_pocket_model("pocket-100k"),
        [asked("S47+83="), asked("S47+83=", logprobs=True), asked("S47+83=", logprobs=True, temperature=2.0, sample=5)],
    )

    assert without.mean_logprob is None
    assert without.first_token_entropy is None
    assert plain.mean_logprob is not None
    assert plain.mean_logprob <= 0
    assert plain.first_token_entropy == warm.first_token_entropy
    assert warm.mean_logprob is not None
    assert plain.text == without.text


def test_begun_requests_are_watched_token_by_token_and_noted() -> None:
    seen: list[tuple[int, Written]] = []
    requests = [asked("T47+83*07=", temperature=1.0, sample=sample) for sample in range(3)]
    replies = complete(load_pocket_model("pocket-30k"), requests)
    model = load_pocket_model("pocket-30k")
    jobs = model.begin(requests, top_logprobs=2, watch=lambda position, token: seen.append((position, token)))
    generations = [job.done.result(timeout=20) for job in jobs]
    asyncio.run(model.aclose())

    for position, (generation, reply) in enumerate(zip(generations, replies, strict=True)):
        assert decode(token for token in generation.tokens if token != END) == reply.text
        assert generation.noted == tuple(token for place, token in seen if place == position)
        assert tuple(noted.token for noted in generation.noted) == generation.tokens
        for noted in generation.noted:
            (first, highest), (_, next_highest) = noted.likeliest
            assert noted.logprob is not None
            assert highest >= max(next_highest, noted.logprob)
            assert noted.token != first or noted.logprob == highest


def test_nothing_is_noted_that_nobody_asked_for() -> None:
    model = load_pocket_model("pocket-30k")
    (job,) = model.begin([asked("S47+83=")])

    assert job.done.result(timeout=20).noted == ()
    asyncio.run(model.aclose())


def test_samples_differ_and_seeds_differ() -> None:
    base = asked("T47+83*07-12+55*03=", temperature=1.5)
    requests = [replace(base, sample=s, seed=d) for s in range(4) for d in range(2)]
    texts = {reply.text for reply in complete(load_pocket_model("pocket-100k"), requests)}

    assert len(texts) > 3


def test_the_last_user_message_is_the_prompt_and_its_count_is_exact() -> None:
    model = load_pocket_model("pocket-30k")
    messages = (ChatMessage("system", "x" * 50), ChatMessage("user", "old"), ChatMessage("user", "S47+83="))
    (reply,) = complete(model, [replace(asked(""), messages=messages)])

    assert reply.usage is not None
    assert model.count_tokens(messages) == reply.usage.input_tokens == 7
    assert model.count_tokens(()) == 0


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (asked(""), "empty"),
        (asked("S" + "1" * 255), "256 tokens and the context of pocket-30k holds 256"),
        (asked("S1+1=", max_output_tokens=0), "must be at least 1"),
    ],
)
def test_what_cannot_be_asked_is_refused_unbilled(request_: Request, reason: str) -> None:
    with pytest.raises(CallFailed, match=reason) as failure:
        complete(load_pocket_model("pocket-30k"), [request_])

    assert failure.value.status is Status.REFUSED
    assert failure.value.billed is False
    assert failure.value.retryable is False


def test_the_context_bounds_prompt_and_reply_together() -> None:
    (reply,) = complete(load_pocket_model("pocket-30k"), [asked("T" + "+07" * 84 + "=", max_output_tokens=200)])

    assert reply.usage is not None
    assert reply.usage.total_tokens <= 256


def test_a_cancelled_caller_frees_its_row_and_others_go_on() -> None:
    async def run() -> Reply:
        model = PocketModel(load_pocket_model("pocket-30k").card, rows=1)
        dropped = asyncio.ensure_future(model.complete(asked("T" + "+07" * 20 + "=", max_output_tokens=150)))
        await asyncio.sleep(0)
        dropped.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dropped
        reply = await model.complete(asked("S47+83="))
        await model.aclose()
        return reply

    assert asyncio.run(run()) == complete(load_pocket_model("pocket-30k"), [asked("S47+83=")])[0]


def test_closing_ends_the_thread_and_a_later_request_starts_another() -> None:
    model = load_pocket_model("pocket-30k")
    others = set(threading.enumerate())
    first = complete(model, [asked("S47+83=")])

    assert not [thread for thread in set(threading.enumerate()) - others if thread.name == "pocket"]
    assert complete(model, [asked("S47+83=")]) == first


def test_every_shipped_model_is_a_model_with_an_honest_card() -> None:
    models: Sequence[Model] = load_pocket_models()

    assert tuple(model.card.name for model in models) == pocket_names() == NAMES
    cards = [model.card for model in models]
    assert 0 < cards[0].weight < cards[1].weight < cards[-1].weight
    for card in cards:
        assert card.dialect == "pocket"
        assert card.exact_tokenizer
        assert card.truncation == "exact"
        assert card.context_tokens == 256
        assert card.revision
        assert card.parameters
        assert card.about
    assert len({card.fingerprint for card in cards}) == len(cards)
    assert [card.kind for card in cards].count("standard") == 1
    assert decode([END]) == "\n"


def test_an_unknown_pocket_model_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'pocket-100k'"):
        load_pocket_model("pocket-100")
