"""Replies of models."""

from __future__ import annotations

import asyncio
import json
import tomllib
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path

import pytest

from apportion.errors import CallFailed, ProblemError
from apportion.models.call_bounds import CallBounds
from apportion.models.delta import Delta
from apportion.models.reasoning import split_reasoning
from apportion.models.reasoning_stream import ReasoningStream
from apportion.models.replies.completion import read_reply
from apportion.models.replies.stream_reader import StreamReader
from apportion.nodes.outputs import read_step, reader_of
from apportion.nodes.prompts.acting import calls_in
from apportion.nodes.prompts.base import Ask, Style
from apportion.nodes.prompts.chat import ChatDialect
from apportion.nodes.prompts.pocket import PocketDialect
from apportion.nodes.readings import Unfit
from apportion.nodes.symbolic.schema import parse_problem
from apportion.nodes.tool_runs import canonical_arguments
from apportion.records.output import JsonOutput, OneOf

from .hostile_texts import Parser, only_typed_errors, time_is_linear

CHAT, POCKET = ChatDialect(), PocketDialect()
FORMATS = Path(__file__).parents[1] / "nodes" / "prompts" / "reply_formats.toml"
PROBLEM = json.dumps(
    {
        "variables": [
            {"type": "int", "name": "x", "low": 1, "high": 9},
            {"type": "enum", "name": "c", "values": ["a"]},
        ],
        "constraints": [
            {"kind": "linear", "terms": [{"variable": "x", "coefficient": 2}], "relation": "<=", "constant": 7},
            {"kind": "any_of", "conditions": [{"kind": "compare", "variable": "x", "relation": "=", "value": 3}]},
            {"kind": "all_different", "variables": ["x", "c"], "description": "differ"},
        ],
        "objective": {"sense": "minimize", "terms": [{"variable": "x"}]},
        "answer": {"variables": ["x"], "form": "pairs"},
    }
)
COMPLETION = json.dumps(
    {
        "id": "x",
        "model": "m",
        "choices": [
            {
                "message": {"content": [{"type": "text", "text": "42"}], "reasoning_content": "6*7", "refusal": None},
                "finish_reason": "stop",
                "logprobs": {"content": [{"logprob": -0.1, "top_logprobs": [{"logprob": -0.1}]}]},
            }
        ],
        "usage": {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25},
    }
)


def reply(text: str) -> object:
    return read_reply(text.encode(errors="surrogatepass"), lambda: CallBounds(100, 50))


def reply_with_calls(text: str) -> object:
    return read_reply(text.encode(errors="surrogatepass"), lambda: CallBounds(100, 50), tools=True)


def stream(text: str) -> object:
    """As the stream of a completion that comes in pieces."""
    data = text.encode(errors="surrogatepass")
    size = max(1, len(data) // 7)

    async def body() -> AsyncGenerator[bytes, None]:
        for place in range(0, len(data), size):
            yield data[place : place + size]

    async def read() -> object:
        reader = StreamReader(lambda: CallBounds(100, 50), tools=True)
        deltas = [delta async for delta in reader.read(body())]
        return deltas, reader.reply()

    return asyncio.run(read())


def thought_apart(text: str) -> object:
    reading, size = ReasoningStream(), max(1, len(text) // 7)
    pieces = (text[place : place + size] for place in range(0, len(text), size))
    return [reading.add(Delta(text=piece)) for piece in pieces], reading.end()


REPLIES = tuple(form["text"] for form in tomllib.loads(FORMATS.read_text())["format"])
PARTS = '{"parts": ["Who?", {"question": "When was {p1} born?"}], "combine": "{p2}"}'
CALLS = (
    'Call: search {"query": "a"}\nCall: add {"n": [1]}',
    '<tool_call>{"name": "search", "arguments": {}}</tool_call>',
)
CALLING = json.dumps(
    {"choices": [{"message": {"tool_calls": [{"id": "1", "function": {"name": "a", "arguments": "{}"}}]}}]}
)
TREE = JsonOutput(
    {"type": "object", "properties": {"n": {"type": "number"}, "in": {"type": "array", "items": {"$ref": "#"}}}}
)
JSON_REPLIES = ('{"n": 1, "in": [{"n": 2.5}, {}]}', '```json\n{"steps": "a", "answer": {"n": 1}}\n```', "Query: a\n{}")
STREAM = (
    f"data: {json.dumps({'choices': [{'delta': {'content': '4', 'tool_calls': [{'index': 0}]}}]})}\n\ndata: [DONE]\n\n"
)

PARSERS = {
    "stream": Parser(stream, (CallFailed,), (STREAM, COMPLETION)),
    "stream of reasoning": Parser(thought_apart, samples=REPLIES),
    "reasoning": Parser(split_reasoning, samples=REPLIES),
    "answer": Parser(partial(CHAT.read_answer, style=Style.THINK), samples=REPLIES),
    "direct answer": Parser(partial(CHAT.read_answer, style=Style.DIRECT), samples=REPLIES),
    "cut answer": Parser(partial(CHAT.read_answer, style=Style.DIRECT, cut=True), samples=REPLIES),
    "decomposition": Parser(CHAT.read_decomposition, samples=(PARTS,)),
    "search": Parser(CHAT.read_search, samples=("Query: foo\nAnswer: bar", '{"query": "foo"}')),
    "formalisation": Parser(partial(CHAT.read_formalisation, ask=Ask("q")), samples=(PROBLEM,)),
    "verdict": Parser(CHAT.read_verdict, samples=("Probability: 85", "Verdict: no errors found", '{"score": 8}')),
    "steps": Parser(CHAT.steps, samples=("47 + 83 = 130 * 2 = 260",)),
    "pocket answer": Parser(partial(POCKET.read_answer, style=Style.THINK), samples=("47+83=30", "x>b b>f")),
    "pocket decomposition": Parser(POCKET.read_decomposition, samples=("47+83|12-05|p1-p2",)),
    "pocket formalisation": Parser(partial(POCKET.read_formalisation, ask=Ask("q")), samples=("ab:3;a!b;a=b+1",)),
    "pocket steps": Parser(POCKET.steps, samples=("47+83=30;12-05=07",)),
    "calls": Parser(partial(calls_in, names=("search",)), samples=CALLS),
    "reply with calls": Parser(reply_with_calls, typed=(CallFailed,), samples=(CALLING,)),
    "arguments": Parser(canonical_arguments, samples=('{"a": [1, "b"]}', "{'a': 1,}")),
    "JSON output": Parser(reader_of(TREE, CHAT, Style.THINK), (Unfit,), JSON_REPLIES),
    "cut JSON output": Parser(partial(reader_of(TREE, CHAT, Style.THINK), cut=True), (Unfit,), JSON_REPLIES),
    "code output": Parser(reader_of("code", CHAT, Style.THINK), (Unfit,), samples=REPLIES),
    "text output": Parser(reader_of("text", CHAT, Style.THINK), (Unfit,), samples=REPLIES),
    "number output": Parser(reader_of("number", CHAT, Style.DIRECT), (Unfit,), samples=REPLIES),
    "option output": Parser(reader_of(OneOf("A", "not B"), CHAT, Style.THINK), (Unfit,), samples=REPLIES),
    "search for JSON": Parser(partial(read_step, output=TREE, dialect=CHAT), (Unfit,), JSON_REPLIES),
    "problem": Parser(parse_problem, (ProblemError,), (PROBLEM,)),
    "reply": Parser(reply, (CallFailed,), (COMPLETION,)),
}


@pytest.mark.parametrize("name", PARSERS)
def test_only_typed_errors(name: str) -> None:
    only_typed_errors(PARSERS[name])


@pytest.mark.parametrize("name", PARSERS)
def test_no_time_beyond_linear(name: str) -> None:
    time_is_linear(PARSERS[name])
