"""Readers and parsers meet hostile texts: only typed errors, and no time beyond linear.

`make fuzz` gives each a minute; here they get a short turn. A parser of yours is one more line in `PARSERS`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
import tomllib
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from apportion.errors import CallFailed, DevSetError, PlanError, PoolError, ProblemError, UnsupportedSchema, UsageError
from apportion.graphs.graph import Graph
from apportion.graphs.plan import Plan
from apportion.models.call_bounds import CallBounds
from apportion.models.card import ModelCard
from apportion.models.chat.asked import read_asked
from apportion.models.chat.responses import chat_body
from apportion.models.delta import Delta
from apportion.models.pocket.calling import prompt_with_results
from apportion.models.pocket.schemas import ANSWER_OBJECT, terms_of
from apportion.models.pocket.serving.asked import read_body
from apportion.models.pool_file import read_pool_file
from apportion.models.reasoning import split_reasoning
from apportion.models.reasoning_stream import ReasoningStream
from apportion.models.replies.completion import read_reply
from apportion.models.replies.stream_reader import StreamReader
from apportion.models.request import ChatMessage
from apportion.models.tools import ToolCall
from apportion.nodes.knob import choose
from apportion.nodes.outputs import read_step, reader_of
from apportion.nodes.passages import passages_of
from apportion.nodes.prompts.acting import calls_in
from apportion.nodes.prompts.base import Ask, Style
from apportion.nodes.prompts.chat import ChatDialect
from apportion.nodes.prompts.pocket import PocketDialect
from apportion.nodes.readings import Unfit
from apportion.nodes.solver import Solver
from apportion.nodes.symbolic.schema import parse_problem
from apportion.nodes.tool_runs import canonical_arguments
from apportion.nodes.unspaced import query_terms
from apportion.nodes.verifier import Verifier
from apportion.nodes.votes import normal_form
from apportion.optimizers.serving.policy_file import read_policy_file
from apportion.optimizers.tables.log_file import load_outcomes
from apportion.records.display import visible
from apportion.records.output import JsonOutput, OneOf
from apportion.records.redaction import Redaction, redacted
from apportion.records.task import Task
from apportion.serving.keys import Keys
from apportion.tasks.chat_question import messages_of
from apportion.tasks.devset import load_tasks
from apportion.tasks.mark import mark_in
from apportion.tasks.metrics import score
from apportion.web.refusal import Refusal

SECONDS = float(os.environ.get("FUZZ_SECONDS", "0"))
"""How long each parser is tried; 0: one short turn."""
CHAT, POCKET = ChatDialect(), PocketDialect()
FORMATS = tomllib.loads((Path(__file__).parent / "nodes" / "prompts" / "reply_formats.toml").read_text())["format"]
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
MARKS = (
    *(
        "<think>",
        "</think>",
        "<thinking a='b'>",
        "[THINK]",
        "◁think▷",
        "<|channel|>",
        "analysis",
        "<|message|>",
        "<|end|>",
    ),
    *(
        "Answer:",
        "**Final Answer**",
        "#### ",
        "\n",
        "\n\n",
        "```",
        "~~~",
        "```python\n",
        "Question:",
        "Query:",
        "> ",
        "- ",
    ),
    *(
        "\\boxed{",
        "\\frac{",
        "\\text{",
        "{",
        "}",
        "[",
        "]",
        "(",
        ")",
        "$",
        "$$",
        "\\(",
        "\\[",
        "^{",
        "_",
        "{,}",
        "\\,",
        "\\",
    ),
    *(
        '"',
        "'",
        "“",
        "’",
        ":",
        ",",
        ";",
        ".",
        "…",
        "=",
        "<answer>",
        "</answer>",
        '{"answer": ',
        '{"parts": [',
        "//",
        "/*",
        "#",
    ),
    *(
        "the answer is ",
        "Therefore, ",
        "because ",
        "Wait, ",
        "that is wrong",
        "no errors ",
        "not ",
        "correct",
        "Probability: ",
    ),
    *(
        "1",
        "1,234",
        "0,85",
        "1/",
        "½",
        "²",
        "₂",
        "１",
        "\u202f",
        "\u00a0",
        "–",
        "%",
        "e9999",
        "×10^",
        "one ",
        "hundred ",
        " ",
    ),
    *(
        "NaN",
        "Infinity",
        "-1",
        "1e400",
        "null",
        "true",
        "\\ud800",
        "\ud800",
        "\x00",
        "\x1b[31m",
        "\u202e",
        "\ufeff",
        "\r\n",
        "\t",
    ),
    *("{p1}", "#1", "p1|", "ab:3;", "a<b", ">q", "47+83=", "9" * 30, "a" * 30, "|", "\\n"),
)


@dataclass(frozen=True)
class Parser:
    read: Callable[[str], object]
    typed: tuple[type[Exception], ...] = ()
    samples: tuple[str, ...] = field(default=("",))
    """Texts that it reads, to be damaged."""


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


def request(text: str) -> object:
    card = ModelCard(name="m", tools=True, json_schema=True)
    return read_asked(text.encode(errors="surrogatepass")).request(card).key("")


def response_asked(text: str) -> object:
    return read_asked(chat_body(text.encode(errors="surrogatepass")))


def body(text: str) -> object:
    return read_body(text.encode(errors="surrogatepass"))


def worked_out(text: str) -> str:
    step = ChatMessage("assistant", "47+83=", (ToolCall("f", "{}", "1"),))
    return prompt_with_results((ChatMessage("user", "T47+83="), step, ChatMessage("tool", text, tool_call_id="1")))


def from_file(load: Callable[[Path], object], name: str, text: str) -> object:
    with TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(text.encode(errors="surrogatepass"))
        return load(path)


def passages(path: Path) -> object:
    return list(passages_of(path, 1024))


def graded(metric: str, gold: str, text: str) -> object:
    return score(Task(question="Which?\nA) red\nB) 42", gold=gold), text, metric)


REPLIES = tuple(form["text"] for form in FORMATS)
PARTS = '{"parts": ["Who?", {"question": "When was {p1} born?"}], "combine": "{p2}"}'
TASKS = (
    '{"question": "q", "gold": 1.10, "context": ["a"], "metadata": {"tolerance": 0.1}}\n{"question": "r", "name": "2"}'
)
LOG_LINES = '{"question": "q", "arm": "a", "score": 1, "cost": 2, "setting": "[1]"}\n'
GRAPH = Graph("g").add("a", Solver(samples=choose(1, 3))).add("b", Verifier()).connect("a", "b")
LOG = "question,arm,correct,tokens\nq1,a,1,10\nq1,b,0,20\nq2,a,0,10\nq2,b,1,20\n"
POOL = '[models.a]\nbase_url = "http://localhost:1/v1"\nmax_output_tokens = 64\nprice = {input = 1.0, output = 2.0}\n'
POLICY = json.dumps(
    {"format": "apportion-policy", "policy": {"name": "static"}, "arms": [], "models": [{"name": "a"}], "reference": {}}
)

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
ASKED = json.dumps(
    {
        "model": "m",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        "response_format": {"type": "json_object"},
        "stop": ["a"],
    }
)
RESPONSE = json.dumps({"model": "m", "input": [{"role": "user", "content": "hi"}], "instructions": "be brief"})
KEYS = f'[keys.ann]\nhash = "sha256:{"0" * 64}"\ncap = 5\nmodels = ["m"]\n'
REQUEST = json.dumps(
    {
        "model": "m",
        "messages": [{"role": "user", "content": "q"}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        "tool_choice": "required",
    }
)

PARSERS = {
    "stream": Parser(stream, (CallFailed,), (STREAM, COMPLETION)),
    "stream of reasoning": Parser(thought_apart, samples=REPLIES),
    "request": Parser(request, (Refusal,), (ASKED,)),
    "request for a response": Parser(response_asked, (Refusal,), (RESPONSE,)),
    "keys": Parser(partial(from_file, partial(Keys.read, models=("m",)), "k.toml"), (UsageError,), (KEYS,)),
    "reasoning": Parser(split_reasoning, samples=REPLIES),
    "answer": Parser(partial(CHAT.read_answer, style=Style.THINK), samples=REPLIES),
    "direct answer": Parser(partial(CHAT.read_answer, style=Style.DIRECT), samples=REPLIES),
    "cut answer": Parser(partial(CHAT.read_answer, style=Style.DIRECT, cut=True), samples=REPLIES),
    "decomposition": Parser(CHAT.read_decomposition, samples=(PARTS,)),
    "search": Parser(CHAT.read_search, samples=("Query: foo\nAnswer: bar", '{"query": "foo"}')),
    "formalisation": Parser(partial(CHAT.read_formalisation, ask=Ask("q")), samples=(PROBLEM,)),
    "verdict": Parser(CHAT.read_verdict, samples=("Probability: 85", "Verdict: no errors found", '{"score": 8}')),
    "mark": Parser(
        partial(mark_in, low=0, high=10),
        samples=("Fine.\nScore: 7.5/10", '{"score": 7}', "[[7]]", "7,5", "<score>7", "Score: a"),
    ),
    "cut mark": Parser(partial(mark_in, low=-1, high=1, cut=True), samples=("Score: -0.5\nbecause",)),
    "steps": Parser(CHAT.steps, samples=("47 + 83 = 130 * 2 = 260",)),
    "pocket answer": Parser(partial(POCKET.read_answer, style=Style.THINK), samples=("47+83=30", "x>b b>f")),
    "pocket decomposition": Parser(POCKET.read_decomposition, samples=("47+83|12-05|p1-p2",)),
    "pocket formalisation": Parser(partial(POCKET.read_formalisation, ask=Ask("q")), samples=("ab:3;a!b;a=b+1",)),
    "pocket steps": Parser(POCKET.steps, samples=("47+83=30;12-05=07",)),
    "schema to hold to": Parser(terms_of, (UnsupportedSchema,), (TREE.schema, ANSWER_OBJECT)),
    "request of a client": Parser(body, (Refusal,), (REQUEST,)),
    "result of a step": Parser(worked_out, samples=("130", "-5.0")),
    "calls": Parser(partial(calls_in, names=("search",)), samples=CALLS),
    "reply with calls": Parser(reply_with_calls, typed=(CallFailed,), samples=(CALLING,)),
    "arguments": Parser(canonical_arguments, samples=('{"a": [1, "b"]}', "{'a': 1,}")),
    "normal form": Parser(normal_form, samples=("1{,}234", r"\frac{1}{2}", "(B)", "–5")),
    "numeric": Parser(partial(graded, "numeric", "42"), samples=("1,234.5", r"\frac{1}{2}")),
    "choice": Parser(partial(graded, "choice", "B"), samples=("(B) 42", r"\boxed{\text{B}}")),
    "set": Parser(partial(graded, "set", "red, 42"), samples=("red and 42",)),
    "token_f1": Parser(partial(graded, "token_f1", "red 42"), samples=("the red 42",)),
    "contains": Parser(partial(graded, "contains", "red 42"), samples=("the red 42.",)),
    "rouge_l": Parser(partial(graded, "rouge_l", "the red 42"), samples=("a red 42",)),
    "json_fields": Parser(partial(graded, "json_fields", '{"a": [1, {"b": 2}]}'), samples=('{"a": [1, {"b": 2}]}',)),
    "JSON output": Parser(reader_of(TREE, CHAT, Style.THINK), (Unfit,), JSON_REPLIES),
    "cut JSON output": Parser(partial(reader_of(TREE, CHAT, Style.THINK), cut=True), (Unfit,), JSON_REPLIES),
    "code output": Parser(reader_of("code", CHAT, Style.THINK), (Unfit,), samples=REPLIES),
    "text output": Parser(reader_of("text", CHAT, Style.THINK), (Unfit,), samples=REPLIES),
    "number output": Parser(reader_of("number", CHAT, Style.DIRECT), (Unfit,), samples=REPLIES),
    "option output": Parser(reader_of(OneOf("A", "not B"), CHAT, Style.THINK), (Unfit,), samples=REPLIES),
    "search for JSON": Parser(partial(read_step, output=TREE, dialect=CHAT), (Unfit,), JSON_REPLIES),
    "problem": Parser(parse_problem, (ProblemError,), (PROBLEM,)),
    "reply": Parser(reply, (CallFailed,), (COMPLETION,)),
    "dev set": Parser(partial(from_file, load_tasks, "t.jsonl"), (DevSetError, UsageError), (TASKS,)),
    "dev set in CSV": Parser(
        partial(from_file, load_tasks, "t.csv"), (DevSetError, UsageError), ("question,gold\nq,1\n",)
    ),
    "dev set of messages": Parser(
        partial(from_file, load_tasks, "t.jsonl"),
        (DevSetError, UsageError),
        ('{"messages": [{"role": "user", "content": "### user"}], "id": 1}',),
    ),
    "messages": Parser(messages_of, samples=("### system\nBe brief.\n\n### user\n\\### user",)),
    "outcomes": Parser(partial(from_file, load_outcomes, "o.csv"), (UsageError,), (LOG,)),
    "outcomes in JSONL": Parser(partial(from_file, load_outcomes, "o.jsonl"), (UsageError,), (LOG_LINES,)),
    "passages": Parser(partial(from_file, passages, "p.TXT"), (UsageError,), ("one\n\ntwo", "北京" * 9)),
    "passages in JSONL": Parser(partial(from_file, passages, "p.jsonl"), (UsageError,), ('{"text": "one"}\n"two"',)),
    "query": Parser(query_terms, samples=("capital of 中国", "กรุงเทพ")),
    "graph": Parser(Graph.from_json, (UsageError,), (GRAPH.to_json(),)),
    "plan": Parser(Plan.from_json, (PlanError,), ('{"graph": "g", "values": {"a.samples": 3}, "edges": ["a->b"]}',)),
    "redaction": Parser(redacted, samples=("api_key = 'abc123def456ghi789'", "https://u:p@h/?key=1", "Bearer x")),
    "redaction of JSON": Parser(Redaction().json, samples=('{"api_key": "abc", "n": [1]}',)),
    "terminal": Parser(visible, samples=("\x1b[2J", "a\u200db")),
    "pool": Parser(partial(from_file, read_pool_file, "p.toml"), (PoolError, UsageError), (POOL,)),
    "policy": Parser(partial(from_file, read_policy_file, "p.json"), (UsageError,), (POLICY,)),
}


def damaged(sample: str, edits: list[tuple[float, int, str]]) -> str:
    for where, length, text in edits:
        place = int(where * len(sample))
        sample = sample[:place] + text + sample[place + length :]
    return sample


FRAGMENTS = st.sampled_from(MARKS) | st.text(max_size=4)
EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 9), FRAGMENTS), max_size=5)


@pytest.mark.parametrize("name", PARSERS)
def test_only_typed_errors(name: str) -> None:
    parser = PARSERS[name]
    texts = st.lists(FRAGMENTS, max_size=24).map("".join) | st.builds(damaged, st.sampled_from(parser.samples), EDITS)
    until, turn = time.monotonic() + SECONDS, 0
    while turn == 0 or time.monotonic() < until:

        @seed(turn)
        @settings(max_examples=1000 if SECONDS else 40, deadline=None, suppress_health_check=list(HealthCheck))
        @given(texts)
        def read(text: str) -> None:
            with contextlib.suppress(*parser.typed):
                parser.read(text)

        read()
        turn += 1


@pytest.mark.parametrize("name", PARSERS)
def test_no_time_beyond_linear(name: str) -> None:
    """Every mark again and again; under `make fuzz` four times the text may take at most some times as long."""
    parser = PARSERS[name]

    def seconds(text: str) -> float:
        begun = time.process_time()
        with contextlib.suppress(*parser.typed):
            parser.read(text)
        return time.process_time() - begun

    for mark in (*MARKS, *parser.samples):
        if not SECONDS:
            seconds(mark * 50)
            continue
        times = max(1, 20_000 // max(1, len(mark)))
        short, long = seconds(mark * times), seconds(mark * 4 * times)
        assert long < 10 * short + 0.25, f"{mark!r} took {short:.3f} s and then {long:.3f} s"
