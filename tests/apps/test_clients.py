from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import openai
import pytest

from apportion import Cap, async_openai_client, openai_client, run_endpoint
from apportion.errors import UsageError
from apportion.graphs.result import Result
from apportion.records.status import Status

ASKED: dict[str, Any] = {"messages": [{"role": "user", "content": "1+2"}]}


def test_the_sync_client(run_app: Callable[..., Result]) -> None:
    def app(question: str) -> str:
        completion = openai_client("worker").chat.completions.create(
            model="whatever", messages=[{"role": "user", "content": question}]
        )
        assert completion.usage is not None
        return f"{completion.choices[0].message.content} for {completion.usage.total_tokens} from {completion.model}"

    result = run_app(app, "40+2")
    assert result.answer == f"42 for {result.charged.tokens} from worker"
    assert result.usage.total_tokens == result.charged.tokens


def test_the_async_client_and_its_stream(run_app: Callable[..., Result]) -> None:
    async def app(question: str) -> str:
        client = async_openai_client()
        said = await client.chat.completions.create(
            model="worker", messages=[{"role": "user", "content": question}], stream=True
        )
        return "".join([event.choices[0].delta.content or "" async for event in said])

    assert run_app(app, "40+2").answer == "42"


def test_a_stream_of_the_sync_client_ends_with_the_usage(run_app: Callable[..., Result]) -> None:
    def app(question: str) -> str:
        stream = openai_client("worker").chat.completions.create(
            model="worker",
            messages=[{"role": "user", "content": question}],
            stream=True,
            stream_options={"include_usage": True},
        )
        *events, last = stream
        assert last.usage is not None
        return "".join(event.choices[0].delta.content or "" for event in events) + f" {last.usage.total_tokens}"

    result = run_app(app, "40+2")
    assert result.answer == f"42 {result.charged.tokens}"


def test_tools_and_formats(run_app: Callable[..., Result]) -> None:
    tool = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}

    def app(question: str) -> str:
        client: Any = openai_client("worker")
        called = client.chat.completions.create(model="worker", tools=[tool], **ASKED).choices[0]
        call = called.message.tool_calls[0]
        back = [
            *ASKED["messages"],
            called.message.model_dump(exclude_none=True),
            {"role": "tool", "tool_call_id": call.id, "content": "3"},
            {"role": "user", "content": "20+3"},
        ]
        said = client.chat.completions.create(model="worker", tools=[tool], tool_choice="none", messages=back)
        return f"{called.finish_reason} {call.function.name} {said.choices[0].message.content}"

    assert run_app(app).answer == "tool_calls add 23"


@pytest.mark.parametrize("key", [False, True])
def test_a_call_that_does_not_fit_is_an_error_that_the_app_can_catch(run_app: Callable[..., Result], key: bool) -> None:
    def app(question: str) -> str:
        client: Any = openai_client("worker", key=run_endpoint().key if key else None)
        try:
            client.chat.completions.create(model="worker", max_tokens=5_000, **ASKED)
        except openai.APIStatusError as error:
            refused = error.status_code, error.code
        said = client.chat.completions.create(model="worker", max_tokens=5, **ASKED)
        return f"{refused}: {said.choices[0].message.content}"

    result = run_app(app, cap=Cap(per_task=200))
    assert (result.answer, result.status, result.stop_reason) == ("(402, 'cap_reached'): 3", Status.OK, "budget")
    assert result.charged.tokens <= 200


def test_errors_have_openais_types(run_app: Callable[..., Result]) -> None:
    def app(question: str) -> str:
        client: Any = openai_client()
        found = []
        for fields in (
            {"model": "nobody"},
            {"model": "worker", "logprobs": True},
            {"model": "worker", "temperature": 9},
        ):
            try:
                client.chat.completions.create(**fields, **ASKED)
            except openai.APIStatusError as error:
                found.append(f"{type(error).__name__} {error.code}")
        try:
            client.models.list()
        except openai.NotFoundError as error:
            found.append(str(error.code))
        return ", ".join(found)

    told = "NotFoundError model_not_found, BadRequestError unsupported_parameter, BadRequestError invalid_value"
    assert run_app(app).answer == f"{told}, unknown_url"


def test_outside_a_run_the_error_names_the_key() -> None:
    sync: Any = openai_client("worker")
    with pytest.raises(openai.AuthenticationError, match="key="):
        sync.chat.completions.create(model="worker", **ASKED)

    client: Any = async_openai_client("worker")

    async def ask() -> None:
        await client.chat.completions.create(model="worker", **ASKED)

    with pytest.raises(openai.AuthenticationError, match="key="):
        asyncio.run(ask())


def test_what_is_no_key_is_refused() -> None:
    makes: list[Any] = [openai_client, async_openai_client]
    for make in makes:
        with pytest.raises(UsageError, match="run_endpoint"):
            make("worker", key="sk-mine")


@pytest.mark.parametrize("role", ["openai/gpt-4.1", "a b?c#d%2F", "../models", "日本"])
def test_a_role_of_any_name_is_reached_by_key(run_app: Callable[..., Result], role: str) -> None:
    def app(question: str) -> str:
        client: Any = openai_client(role, key=run_endpoint().key)
        said = client.chat.completions.create(model="any", messages=[{"role": "user", "content": question}])
        return f"{said.model} {said.choices[0].message.content}"

    assert run_app(app, role=role).answer == f"{role} 3"
