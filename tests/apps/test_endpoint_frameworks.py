"""Apps of several frameworks, unmodified: they know `OPENAI_BASE_URL` and `OPENAI_API_KEY`, and nothing else."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable

import pytest

from apportion import Cap
from apportion.graphs.result import Result
from apportion.records.status import Status

CAP = Cap(per_task=4_000)
"""Has no room for a reply of 4,096 tokens."""

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
    try:
        ChatOpenAI(model="worker", max_tokens=4096).invoke("1+2")
    except Exception as error:
        refused = f"{type(error).__name__} {error.status_code}"
    return {"answer": f"{state['answer']} {streamed} {called['name']} {formed.left} {formed.right} {refused}"}

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
import asyncio, sys
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput, ToolOutput

class Sum(BaseModel):
    left: int
    right: int

def asked(question, **settings):
    return Agent("openai-chat:worker", instructions="Be brief.", **settings).run_sync(question).output

async def streamed():
    async with Agent("openai-chat:worker").run_stream("2+2") as result:
        return "".join([piece async for piece in result.stream_text(delta=True)])

called = asked("1+2", output_type=ToolOutput(Sum, name="add"))
formed = asked("1+2", output_type=NativeOutput(Sum))
try:
    asked("1+2", model_settings={"max_tokens": 4096})
except Exception as error:
    refused = type(error).__name__
print(asked(sys.stdin.read()), asyncio.run(streamed()), called.right, formed.right, refused)
"""
LITELLM = """
import sys
import litellm
litellm.suppress_debug_info = True

def asked(question, **settings):
    messages = [{"role": "user", "content": question}]
    return litellm.completion(model="openai/worker", messages=messages, **settings)

parameters = {"type": "object", "properties": {"left": {"type": "integer"}}, "required": ["left"]}
form = {"type": "json_schema", "json_schema": {"name": "sum", "schema": parameters, "strict": True}}
called = asked("1+2", tools=[{"type": "function", "function": {"name": "add", "parameters": parameters}}])
formed = asked("1+2", response_format=form).choices[0].message.content
streamed = "".join(chunk.choices[0].delta.content or "" for chunk in asked("2+2", stream=True))
try:
    asked("1+2", max_tokens=4096)
except Exception as error:
    refused = f"{type(error).__name__} {error.status_code}"
said = asked(sys.stdin.read()).choices[0].message.content
print(said, streamed, called.choices[0].message.tool_calls[0].function.name, formed, refused)
"""
DSPY = """
import sys
import dspy
model = dspy.LM("openai/worker", cache=False)
try:
    model("1+2", max_tokens=4096)
except Exception as error:
    refused = type(error).__name__
print(model(sys.stdin.read())[0], refused)
"""
LLM = """
import os, sys, tempfile
os.environ["LLM_USER_PATH"] = tempfile.mkdtemp()
import llm
from pydantic import BaseModel

class Sum(BaseModel):
    left: int
    right: int

def add(left: int, right: int) -> int:
    "Adds."
    return left + right

model = llm.get_model("gpt-4o-mini")
formed = model.prompt("1+2", schema=Sum).text()
called = model.prompt("1+2", tools=[add]).tool_calls()[0].name
try:
    model.prompt("1+2", max_tokens=4096).text()
except Exception as error:
    refused = f"{type(error).__name__} {error.status_code}"
print("".join(model.prompt(sys.stdin.read())), model.prompt("2+2", stream=False).text(), called, formed, refused)
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
    result = run_app([sys.executable, "-c", LANGCHAIN_OPENAI], cap=CAP)
    assert (result.answer, result.reason) == ("3 4 add 3 4 APIStatusError 402", "")


def test_openai_sync_async_and_streamed(run_app: Callable[..., Result]) -> None:
    result = run_app([sys.executable, "-c", OPENAI])
    assert (result.answer, result.status) == ("3 3 3 3", Status.OK)
    assert result.charged.tokens == 4 * 28


def test_pydantic_ai(run_app: Callable[..., Result]) -> None:
    result = run_app([sys.executable, "-c", PYDANTIC_AI], cap=CAP)
    assert (result.answer, result.reason) == ("3 4 2 4 ModelQuotaExceededError", "")


@pytest.mark.parametrize(
    ("module", "code", "role", "answer"),
    [
        ("litellm", LITELLM, "worker", '3 4 add {"left": 3, "right": 4} APIError 402'),
        ("dspy", DSPY, "worker", "3 LMBillingError"),
        ("llm", LLM, "gpt-4o-mini", '3 4 add {"left": 3, "right": 4} APIStatusError 402'),
    ],
    ids=["litellm", "dspy", "llm"],
)
def test_other_clients(run_app: Callable[..., Result], module: str, code: str, role: str, answer: str) -> None:
    needs(module)
    result = run_app([sys.executable, "-c", code], role=role, cap=CAP)
    assert (result.answer, result.reason) == (answer, "")


def test_curl(run_app: Callable[..., Result]) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    assert run_app(["sh", "-c", CURL]).answer == "3"
