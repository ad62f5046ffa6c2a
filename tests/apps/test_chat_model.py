from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import openai
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel

from apportion import Cap, chat_model, run_endpoint
from apportion.errors import UsageError
from apportion.graphs.result import Result


class Sum(BaseModel):
    """Two numbers."""

    left: int
    right: int


@tool
def add(left: int, right: int) -> int:
    """Adds."""
    return left + right


def test_invoke_batch_and_their_async_twins(run_app: Callable[..., Result]) -> None:
    async def app(question: str) -> str:
        model = chat_model("worker")
        one = model.invoke([SystemMessage("brief"), HumanMessage(question)])
        assert one.usage_metadata is not None
        told = [one.text, str(one.usage_metadata["total_tokens"])]
        told += [said.text for said in model.batch(["2+2", "3+3"])]
        told.append((await model.ainvoke("4+4")).text)
        told += [said.text for said in await model.abatch(["5+5", "6+6"])]
        return " ".join(told)

    result = run_app(app)
    assert result.answer == "3 41 4 6 8 10 12"
    assert result.charged.tokens == 41 + 28 + 28 + 28 + 29 + 29


def test_streams_add_up_and_have_their_usage(run_app: Callable[..., Result]) -> None:
    async def app(question: str) -> str:
        chunks = [chunk async for chunk in chat_model("worker").astream(question)]
        whole = chunks[0]
        for chunk in chunks[1:]:
            whole += chunk
        assert whole.usage_metadata is not None
        sync = "".join(chunk.text for chunk in chat_model("worker").stream(question))
        return f"{whole.text} {sync} {whole.usage_metadata['total_tokens']}"

    result = run_app(app)
    assert result.answer == f"3 3 {result.charged.tokens // 2}"


def test_tools_are_called_and_their_results_go_back(run_app: Callable[..., Result]) -> None:
    def app(question: str) -> str:
        model = chat_model("worker").bind_tools([add])
        called = model.invoke(question)
        (call,) = called.tool_calls
        back = [HumanMessage(question), called, ToolMessage(str(add.invoke(call["args"])), tool_call_id=call["id"])]
        plain = chat_model("worker").invoke([*back, HumanMessage("7+1")]).text
        chunks: list[Any] = list(model.stream(question))
        whole = sum(chunks[1:], chunks[0])
        return f"{call['name']} {call['args']} {plain} {whole.tool_calls[0]['args']}"

    assert run_app(app).answer == "add {'left': 1, 'right': 2} 8 {'left': 1, 'right': 2}"


@pytest.mark.parametrize(
    ("method", "told"), [("function_calling", "left=1 right=2"), ("json_schema", "left=3 right=4")]
)
def test_structured_output(run_app: Callable[..., Result], method: str, told: str) -> None:
    def app(question: str) -> str:
        return str(chat_model("worker").with_structured_output(Sum, method=method).invoke(question))

    assert run_app(app).answer == told


def test_structured_output_with_the_message_and_what_was_wrong(run_app: Callable[..., Result]) -> None:
    class Other(BaseModel):
        """Another form."""

        middle: int

    def app(question: str) -> str:
        good = chat_model("worker").with_structured_output(Sum, include_raw=True).invoke(question)
        bad = chat_model("worker").with_structured_output(Other, include_raw=True).invoke(question)
        assert isinstance(good, dict)
        assert isinstance(bad, dict)
        assert isinstance(good["raw"], AIMessage)
        plain = chat_model("worker").with_structured_output({"title": "Sum", "type": "object", "properties": {}})
        return (
            f"{good['parsed']} {good['parsing_error']} {bad['parsed']} {bool(bad['parsing_error'])} {plain.invoke('')}"
        )

    assert run_app(app).answer == "left=1 right=2 None None True {'left': 1, 'right': 2}"


def test_another_method_is_refused() -> None:
    with pytest.raises(UsageError, match="method"):
        chat_model("worker").with_structured_output(Sum, method="json_mode")


def test_a_key_serves_where_there_is_no_context(run_app: Callable[..., Result]) -> None:
    def app(question: str) -> str:
        key = run_endpoint().key
        # A loop of its own in a thread of its own, as some frameworks start them.
        from threading import Thread

        told: list[str] = []
        thread = Thread(target=lambda: told.append(asyncio.run(chat_model("worker", key=key).ainvoke(question)).text))
        thread.start()
        thread.join()
        return told[0]

    assert run_app(app).answer == "3"


def test_outside_a_run_it_raises_a_usage_error() -> None:
    with pytest.raises(UsageError, match="key="):
        chat_model("worker").invoke("hello")


def test_settings_are_sent_and_a_refusal_can_be_caught(run_app: Callable[..., Result]) -> None:
    def app(question: str) -> str:
        try:
            chat_model("worker", max_tokens=9_000).invoke(question)
        except openai.APIStatusError as error:
            return chat_model("worker", max_tokens=1, temperature=0.0).invoke(question).text + f" {error.status_code}"
        return "no refusal"

    assert run_app(app, cap=Cap(per_task=500)).answer == "3 402"
