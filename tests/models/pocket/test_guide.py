"""Replies in which not all is the model's own, on the embedded models."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from apportion.errors import CallFailed
from apportion.models.pocket import PocketModel, load_pocket_model
from apportion.models.pocket.schemas import terms_of
from apportion.models.request import ChatMessage, Reply, Request

from .schema_cases import schemas
from .test_calling import CALCULATOR, SEARCH, turns

NAME = "pocket-100k"
INTEGER = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]}
PROMPTS = ("S47+83=", "T47+83*02=", "C47+83*02=", "QWhich room is kemo in?\n", "D(47+83)-(12-05)=", "something else")


@pytest.fixture(scope="module")
def model() -> Iterator[PocketModel]:
    loaded = load_pocket_model(NAME)
    yield loaded
    asyncio.run(loaded.aclose())


def request(prompt: str | tuple[ChatMessage, ...] = "T47+83*02=", schema: Any = None, **fields: Any) -> Request:
    messages = prompt if isinstance(prompt, tuple) else (ChatMessage("user", prompt),)
    held = "" if schema is None else json.dumps(schema)
    settings: dict[str, Any] = {"max_output_tokens": 255, "response_schema": held} | fields
    return Request(NAME, messages, **settings)


def replies(model: PocketModel, *requests: Request) -> list[Reply]:
    async def run() -> list[Reply]:
        return list(await asyncio.gather(*map(model.complete, requests)))

    return asyncio.run(run())


def reply(model: PocketModel, *arguments: Any, **fields: Any) -> Reply:
    (only,) = replies(model, request(*arguments, **fields))
    return only


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    schemas(),
    st.sampled_from(PROMPTS),
    st.integers(1, 255),
    st.sampled_from([0.0, 0.3, 1.0, 2.0]),
    st.integers(0, 2**31),
)
def test_json_of_the_schema_within_the_cap_or_a_refusal_before_anything_is_written(
    model: PocketModel, schema: Any, prompt: str, cap: int, temperature: float, seed: int
) -> None:
    asked = request(prompt, schema, max_output_tokens=cap, temperature=temperature, seed=seed, logprobs=True)
    try:
        first, again = replies(model, asked, asked)
    except CallFailed as refused:
        if refused.billed or not refused.reason.startswith("the shortest JSON of the schema takes "):
            raise
        return
    assert first == again
    assert first.finish_reason == "stop"
    assert first.usage is not None
    assert first.usage.output_tokens <= cap
    Draft202012Validator(schema).validate(json.loads(first.text))


def test_the_answer_of_a_thought_is_the_answer(model: PocketModel) -> None:
    for seed in range(20):
        free = reply(model, temperature=1.0, seed=seed)
        held = reply(model, "T47+83*02=", INTEGER, temperature=1.0, seed=seed)
        assert held.reasoning == free.text
        last = free.text.rpartition("=")[2]
        if last.isdigit():
            assert json.loads(held.text) == {"answer": int(last)}


def test_tokens_are_those_of_the_thought_of_the_structure_and_of_the_value(model: PocketModel) -> None:
    held = reply(model, "T47+83=", INTEGER, logprobs=True)
    assert held.usage is not None
    thought, structure, value = len(held.reasoning) + 1, len('{"answer":}'), len(held.reasoning.rpartition("=")[2])
    assert held.usage.reasoning_tokens == thought
    assert held.usage.output_tokens == thought + structure + value + 1
    assert held.mean_logprob is not None
    assert held.least_logprob is not None
    assert held.least_logprob <= held.mean_logprob <= 0


def test_a_small_cap_leaves_no_room_to_think_and_still_gives_json(model: PocketModel) -> None:
    held = reply(model, "T47+83*02=", INTEGER, max_output_tokens=13)
    assert held.reasoning == ""
    assert set(json.loads(held.text)) == {"answer"}


def test_without_a_schema_nothing_changes_beside_those_that_have_one(model: PocketModel) -> None:
    free = [request(prompt, temperature=0.9, seed=seed, logprobs=True) for prompt in PROMPTS for seed in range(4)]
    alone = replies(model, *free)
    mixed = [each for one in free for each in (one, request("T47+83*02=", INTEGER, temperature=0.9, seed=one.seed))]
    assert replies(model, *mixed)[::2] == alone


def test_a_held_reply_does_not_depend_on_the_batch(model: PocketModel) -> None:
    asked = [request(prompt, INTEGER, temperature=1.0, seed=seed) for prompt in PROMPTS for seed in range(6)]
    assert replies(model, *asked) == [
        reply(model, one.messages, INTEGER, temperature=1.0, seed=one.seed) for one in asked
    ]


def test_a_whole_value_that_needs_no_model(model: PocketModel) -> None:
    held = reply(model, "S47+83=", {"const": {"a": [1, None]}})
    assert held.text == '{"a":[1,null]}'
    assert held.usage is not None
    assert held.usage.output_tokens == len(held.text)


def test_a_puzzle_is_given_by_its_letters(model: PocketModel) -> None:
    letters = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}}
    held = reply(model, "TFind a,b from 1 to 3: a is less than b.", letters)
    values = json.loads(held.text)
    assert held.reasoning.endswith(f"|a={values['a']} b={values['b']}")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"schema": {"type": "object", "properties": {"d": {"type": "string", "format": "date"}}}}, "properties.d"),
        ({"schema": INTEGER, "max_output_tokens": 5}, "raise max_output_tokens"),
        ({"schema": INTEGER, "stop": ("x",)}, "leave out `stop`"),
    ],
)
def test_what_cannot_be_done_is_refused_and_not_billed(model: PocketModel, fields: dict[str, Any], says: str) -> None:
    with pytest.raises(CallFailed, match=says) as caught:
        reply(model, **fields)
    assert not caught.value.billed


def test_a_calculator_is_called_at_each_step_and_its_results_stand(model: PocketModel) -> None:
    tools = json.dumps([CALCULATOR])
    first = reply(model, "T47+83*02=", tools=tools)
    assert (first.text, first.tool_calls[0].arguments) == ("47+83=", '{"expression":"47+83"}')
    second = reply(model, turns("T47+83*02=", first.text, "1277"), tools=tools)
    assert (second.text, second.tool_calls[0].arguments) == ("*02=", '{"expression":"77*2"}')
    assert second.tool_calls[0].call_id != first.tool_calls[0].call_id
    last = reply(model, turns("T47+83*02=", first.text, "1277", second.text, "11"), tools=tools)
    assert (last.text, last.tool_calls) == ("47+83=77*02=11", ())
    held = reply(model, turns("T47+83*02=", first.text, "1277", second.text, "11"), INTEGER, tools=tools)
    assert (held.text, held.reasoning) == ('{"answer":11}', "47+83=77*02=11")


def test_where_no_tool_may_be_called_the_model_works_the_step_out(model: PocketModel) -> None:
    done = turns("T47+83*02=", "47+83=", "77")
    free = reply(model, done, tools=json.dumps([CALCULATOR]), tool_choice="none")
    assert free.tool_calls == ()
    assert free.text.startswith("47+83=77*02=")
    assert len(free.text) == len("47+83=77*02=54")


def test_a_search_asks_and_must_answer_in_the_end(model: PocketModel) -> None:
    tools, question = json.dumps([SEARCH]), "QWhich room is kemo in?\n"
    first = reply(model, question, tools=tools)
    assert first.text.startswith(">kemo ")
    assert json.loads(first.tool_calls[0].arguments) == {"query": first.text[1:]}
    done = turns(question, first.text, "kemo stays in room 58.")
    last = reply(model, done, tools=tools, tool_choice="none")
    assert last.tool_calls == ()
    assert last.text.startswith("=")
    held = reply(model, done, INTEGER)
    assert set(json.loads(held.text)) == {"answer"}


def test_a_call_that_is_required_has_the_arguments_of_a_tool_that_is_there(model: PocketModel) -> None:
    def final(name: str) -> dict[str, Any]:
        return {"type": "function", "function": {"name": name, "parameters": INTEGER}}

    tools = json.dumps([final("kemo"), CALCULATOR, final("lato")])
    stepped = reply(model, "T47+83=", tools=tools, tool_choice="required")
    assert stepped.tool_calls[0].name == "work_out"
    done = turns("T47+83=", stepped.text, "99")
    ended = reply(model, done, tools=tools, tool_choice="required", temperature=1.0)
    assert ended.text == ""
    assert ended.tool_calls[0].name in ("kemo", "lato")
    assert json.loads(ended.tool_calls[0].arguments) == {"answer": 99}
    only = reply(model, "S47+83=", tools=json.dumps([CALCULATOR]), tool_choice="required")
    assert set(json.loads(only.tool_calls[0].arguments)) == {"expression"}


def test_a_cut_off_trace_ends_by_its_length(model: PocketModel) -> None:
    cut = reply(model, "T47+83*02=", tools=json.dumps([CALCULATOR]), max_output_tokens=3)
    assert (cut.text, cut.finish_reason, cut.tool_calls) == ("47+", "length", ())


def test_terms_are_kept_for_the_next_request() -> None:
    assert terms_of(json.dumps(INTEGER)) is terms_of(json.dumps(INTEGER))
