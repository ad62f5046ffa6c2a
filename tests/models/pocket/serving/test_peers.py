"""The typed outputs of other packages, as their users ask for them, on the embedded models over HTTP."""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import Any, Literal

import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel, Field

from apportion.models.pocket.serving import PocketServer

MODEL = "pocket-800k"
THINK = "Think step by step."
QUESTION = "What is 47+83*02?"
TOLD = [{"role": "system", "content": THINK}, {"role": "user", "content": QUESTION}]


class Answer(BaseModel):
    """The answer to a sum."""

    answer: int


class Kind(Enum):
    SMALL = "small"
    LARGE = "large"


class Detailed(BaseModel):
    reasoning: str = Field(description="how it was found")
    kind: Kind
    unit: Literal["room", "step"] | None
    parts: list[int] = Field(max_length=3)
    answer: int


class Inner(BaseModel):
    answer: int


class Outer(BaseModel):
    sure: bool
    inner: Inner


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch, server: PocketServer) -> str:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    return server.base_url


@pytest.mark.parametrize("kind", [Answer, Detailed, Outer])
def test_openai_parses_into_a_model_class(client: OpenAI, kind: type[BaseModel]) -> None:
    messages: Any = TOLD
    completion = client.chat.completions.parse(
        model=MODEL, messages=messages, temperature=0, response_format=kind, seed=1
    )
    parsed = completion.choices[0].message.parsed

    assert isinstance(parsed, kind)
    assert getattr(getattr(parsed, "inner", parsed), "answer") == 60  # noqa: B009


@pytest.mark.parametrize("mode", ["TOOLS", "JSON_SCHEMA"])
@pytest.mark.parametrize("kind", [Answer, Detailed])
def test_instructor(key: str, mode: str, kind: type[BaseModel]) -> None:
    instructor = pytest.importorskip("instructor", reason="pip install 'apportion[peers]'")
    with OpenAI(base_url=key, api_key="none") as plain:
        client = instructor.from_openai(plain, mode=instructor.Mode[mode])
        found = client.chat.completions.create(model=MODEL, response_model=kind, messages=TOLD, temperature=0)
    assert isinstance(found, kind)
    assert getattr(found, "answer") == 60  # noqa: B009


@pytest.mark.parametrize("how", ["tool", "native"])
@pytest.mark.parametrize("kind", [Answer, Detailed])
def test_pydantic_ai(key: str, how: str, kind: type[BaseModel]) -> None:
    pytest.importorskip("pydantic_ai", reason="pip install 'apportion[peers]'")
    from pydantic_ai import Agent, NativeOutput, ToolOutput
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    async def run() -> Any:
        async with AsyncOpenAI(base_url=key, api_key="none") as plain:
            model = OpenAIChatModel(MODEL, provider=OpenAIProvider(openai_client=plain))
            output: Any = ToolOutput(kind) if how == "tool" else NativeOutput(kind)
            agent: Any = Agent(model, output_type=output, system_prompt=THINK, model_settings={"temperature": 0.0})
            whole = (await agent.run(QUESTION)).output
            async with agent.run_stream(QUESTION) as streamed:
                assert await streamed.get_output() == whole
            return whole

    found = asyncio.run(run())
    assert isinstance(found, kind)
    assert getattr(found, "answer") == 60  # noqa: B009


def test_an_agent_of_pydantic_ai_calls_a_calculator_step_by_step(key: str) -> None:
    pytest.importorskip("pydantic_ai", reason="pip install 'apportion[peers]'")
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    asked: list[str] = []

    def calculate(expression: str) -> int:
        """Works out a sum of two numbers."""
        asked.append(expression)
        return {"47+83": 130, "30*2": 60}[expression]

    async def run() -> Any:
        async with AsyncOpenAI(base_url=key, api_key="none") as plain:
            model = OpenAIChatModel("pocket-100k", provider=OpenAIProvider(openai_client=plain))
            agent: Any = Agent(
                model, output_type=Answer, tools=[calculate], system_prompt=THINK, model_settings={"temperature": 0.0}
            )
            return (await agent.run(QUESTION)).output

    assert asyncio.run(run()) == Answer(answer=60)
    assert asked == ["47+83", "30*2"]


@pytest.mark.parametrize("method", ["function_calling", "json_schema"])
@pytest.mark.parametrize("kind", [Answer, Detailed])
def test_langchain(key: str, method: Any, kind: type[BaseModel]) -> None:
    pytest.importorskip("langchain_openai", reason="pip install 'apportion[peers]'")
    from langchain_openai import ChatOpenAI

    model: Any = ChatOpenAI(model=MODEL, base_url=key, temperature=0)
    found = model.with_structured_output(kind, method=method).invoke([("system", THINK), ("user", QUESTION)])
    assert isinstance(found, kind)
    assert getattr(found, "answer") == 60  # noqa: B009
