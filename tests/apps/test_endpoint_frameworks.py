"""Apps of several frameworks, unmodified: they know `OPENAI_BASE_URL` and `OPENAI_API_KEY`, and nothing else."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable

import pytest

from apportion.graphs.result import Result
from apportion.records.status import Status

LANGCHAIN_OPENAI = """
import sys
from typing import TypedDict
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from pydantic import BaseModel

class State(TypedDict, total=False):
    question: str
    answer: str

class Sum(BaseModel):
    left: int
    right: int

@tool
def add(left: int, right: int) -> int:
    "Adds."
    return left + right

def solve(state):
    return {"answer": ChatOpenAI(model="worker").invoke(state["question"]).text}

def check(state):
    model = ChatOpenAI(model="worker", temperature=0)
    streamed = "".join(chunk.text for chunk in model.stream("2+2"))
    called = model.bind_tools([add]).invoke("1+2").tool_calls[0]
    formed = model.with_structured_output(Sum).invoke("1+2")
    return {"answer": f"{state['answer']} {streamed} {called['name']} {formed.left} {formed.right}"}

graph = StateGraph(State)
graph.add_node("solve", solve)
graph.add_node("check", check)
graph.add_edge(START, "solve")
graph.add_edge("solve", "check")
graph.add_edge("check", END)
print(graph.compile().invoke({"question": sys.stdin.read()})["answer"])
"""
OPENAI = """
import asyncio, sys
from openai import AsyncOpenAI, OpenAI
question = [{"role": "user", "content": sys.stdin.read()}]
def text(completion):
    return completion.choices[0].message.content
async def later():
    async with AsyncOpenAI() as client:
        whole = text(await client.chat.completions.create(model="worker", messages=question))
        stream = await client.chat.completions.create(model="worker", messages=question, stream=True)
        return whole, "".join([event.choices[0].delta.content or "" async for event in stream])
with OpenAI() as client:
    now = text(client.chat.completions.create(model="worker", messages=question))
    raw = client.chat.completions.with_raw_response.create(model="worker", messages=question)
    print(now, text(raw.parse()), *asyncio.run(later()))
"""
PYDANTIC_AI = """
import sys
from pydantic_ai import Agent
agent = Agent("openai-chat:worker", instructions="Be brief.")
print(agent.run_sync(sys.stdin.read()).output)
"""
LITELLM = """
import sys
import litellm
said = litellm.completion(model="openai/worker", messages=[{"role": "user", "content": sys.stdin.read()}])
print(said.choices[0].message.content)
"""
DSPY = """
import sys
import dspy
print(dspy.LM("openai/worker", cache=False)(sys.stdin.read())[0])
"""
LLM = """
import os, sys, tempfile
os.environ["LLM_USER_PATH"] = tempfile.mkdtemp()
import llm
print(llm.get_model("gpt-4o-mini").prompt(sys.stdin.read()).text())
"""
CURL = (
    'curl -sS "$OPENAI_BASE_URL/chat/completions" -H "Authorization: Bearer $OPENAI_API_KEY" '
    '-H "Content-Type: application/json" '
    '-d "{\\"model\\": \\"worker\\", \\"messages\\": [{\\"role\\": \\"user\\", \\"content\\": \\"$(cat)\\"}]}" '
    '| sed \'s/.*"content":"\\([0-9]*\\)".*/\\1/\''
)


def needs(module: str) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed; it is no dependency of the tests")


def test_langgraph_with_langchain_openai(run_app: Callable[..., Result]) -> None:
    result = run_app([sys.executable, "-c", LANGCHAIN_OPENAI])
    assert (result.answer, result.reason) == ("3 4 add 3 4", "")


def test_openai_sync_async_and_streamed(run_app: Callable[..., Result]) -> None:
    result = run_app([sys.executable, "-c", OPENAI])
    assert (result.answer, result.status) == ("3 3 3 3", Status.OK)
    assert result.charged.tokens == 4 * 28


@pytest.mark.parametrize(
    ("module", "code"),
    [("pydantic_ai", PYDANTIC_AI), ("litellm", LITELLM), ("dspy", DSPY), ("llm", LLM)],
    ids=["pydantic-ai", "litellm", "dspy", "llm"],
)
def test_other_clients(run_app: Callable[..., Result], module: str, code: str) -> None:
    needs(module)
    result = run_app([sys.executable, "-c", code], role="gpt-4o-mini" if module == "llm" else "worker")
    assert (result.answer, result.reason) == ("3", "")


def test_curl(run_app: Callable[..., Result]) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    assert run_app(["sh", "-c", CURL]).answer == "3"
