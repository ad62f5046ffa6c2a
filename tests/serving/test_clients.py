"""Unmodified clients in front of the proxy; each part needs its package, and is left out without it."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from apportion.budgets.cap import Cap
from apportion.models.card import ModelCard
from apportion.models.openai_compatible import OpenAIModel
from apportion.models.pool import Pool
from apportion.serving.proxy import ProxyServer
from apportion.stores.opening import open_store
from apportion.testing.fault_server import FaultServer

pytestmark = pytest.mark.filterwarnings("ignore")


class Answer(BaseModel):
    """What is asked for in JSON."""

    answer: str


def weather(city: str) -> str:
    """The weather in a city."""
    return f"4 degrees in {city}"


def reply(body: Mapping[str, Any]) -> str | Mapping[str, Any]:
    """Calls the tool that is offered, once; gives JSON where that is asked for."""
    if body.get("tools") and body["messages"][-1]["role"] != "tool":
        name = body["tools"][0]["function"]["name"]
        arguments = json.dumps({"city": "Rome"} if name == "weather" else {"answer": "4"})
        return {
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}],
        }
    return '{"answer": "4"}' if body.get("response_format") else "It is 4 degrees."


@pytest.fixture
def base_url(tmp_path: Path) -> Iterator[str]:
    with FaultServer(reply=reply) as upstream, open_store(tmp_path / "trace.db") as store:
        card = ModelCard(name="m", output_cap="max_tokens", tools=True, json_schema=True)
        with ProxyServer(Pool([OpenAIModel(card, upstream.base_url)]), store, cap=Cap(total=1e7)) as server:
            yield server.base_url
        store.flush()
        assert store.balance("proxy/all").charged.tokens == upstream.billed_tokens


def test_langchain(base_url: str) -> None:
    chat = pytest.importorskip("langchain_openai").ChatOpenAI(
        model="m", base_url=base_url, api_key="none", max_retries=0
    )
    told = chat.invoke("hi")
    assert told.content == "It is 4 degrees."
    assert told.usage_metadata["total_tokens"] > 0

    async def story() -> str:
        try:
            return str((await chat.ainvoke("hi")).content)
        finally:
            await chat.root_async_client.close()

    assert asyncio.run(story()) == told.content
    assert "".join(chunk.content for chunk in chat.stream("hi")) == told.content
    assert chat.bind_tools([weather]).invoke("warm?").tool_calls[0]["args"] == {"city": "Rome"}
    whole: Any = None
    for chunk in chat.bind_tools([weather]).stream("warm?"):
        whole = chunk if whole is None else whole + chunk
    assert whole.tool_calls[0]["args"] == {"city": "Rome"}
    for method in ("function_calling", "json_mode", "json_schema"):
        assert chat.with_structured_output(Answer, method=method).invoke("json?") == Answer(answer="4")
    chat.root_client.close()


def test_pydantic_ai(base_url: str) -> None:
    agents = pytest.importorskip("pydantic_ai")
    openai_models = pytest.importorskip("pydantic_ai.models.openai")
    provider = pytest.importorskip("pydantic_ai.providers.openai").OpenAIProvider(base_url=base_url, api_key="none")
    model = openai_models.OpenAIChatModel("m", provider=provider)
    agent = agents.Agent(model, instructions="Be brief.")
    agent.tool_plain(weather)

    async def story() -> tuple[str, str, Answer]:
        whole = await agent.run("warm?")
        async with agent.run_stream("warm?") as stream:
            pieces = [piece async for piece in stream.stream_text(delta=True)]
        structured = await agents.Agent(model, output_type=Answer).run("json?")
        await provider.client.close()
        return whole.output, "".join(pieces), structured.output

    assert asyncio.run(story()) == ("It is 4 degrees.", "It is 4 degrees.", Answer(answer="4"))


def test_curl(base_url: str) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}
    for stream in (False, True):
        command = ["curl", "-sN", f"{base_url}/chat/completions", "-H", "Content-Type: application/json", "-d", "@-"]
        told = subprocess.run(
            command, input=json.dumps(body | {"stream": stream}), capture_output=True, text=True, check=True
        ).stdout
        assert told.endswith("data: [DONE]\n\n") if stream else json.loads(told)["x_apportion"]["attempts"] == 1
