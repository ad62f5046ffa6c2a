"""The user's files, and texts on their way to the disk or the terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from apportion.errors import DevSetError, PlanError, PoolError, UsageError
from apportion.graphs.graph import Graph
from apportion.graphs.plan import Plan
from apportion.models.pool_file import read_pool_file
from apportion.nodes.knob import choose
from apportion.nodes.passages import passages_of
from apportion.nodes.solver import Solver
from apportion.nodes.unspaced import query_terms
from apportion.nodes.verifier import Verifier
from apportion.optimizers.serving.policy_file import read_policy_file
from apportion.optimizers.tables.log_file import load_outcomes
from apportion.records.display import visible
from apportion.records.redaction import Redaction, redacted
from apportion.serving.keys import Keys
from apportion.tasks.chat_question import messages_of
from apportion.tasks.devset import load_tasks

from .hostile_texts import Parser, only_typed_errors, time_is_linear


def from_file(load: Callable[[Path], object], name: str, text: str) -> object:
    with TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(text.encode(errors="surrogatepass"))
        return load(path)


def passages(path: Path) -> object:
    return list(passages_of(path, 1024))


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
KEYS = f'[keys.ann]\nhash = "sha256:{"0" * 64}"\ncap = 5\nmodels = ["m"]\n'

PARSERS = {
    "keys": Parser(partial(from_file, partial(Keys.read, models=("m",)), "k.toml"), (UsageError,), (KEYS,)),
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
    "graph": Parser(Graph.from_json, (UsageError,), (GRAPH.to_json(),)),
    "plan": Parser(Plan.from_json, (PlanError,), ('{"graph": "g", "values": {"a.samples": 3}, "edges": ["a->b"]}',)),
    "pool": Parser(partial(from_file, read_pool_file, "p.toml"), (PoolError, UsageError), (POOL,)),
    "policy": Parser(partial(from_file, read_policy_file, "p.json"), (UsageError,), (POLICY,)),
    "redaction": Parser(redacted, samples=("api_key = 'abc123def456ghi789'", "https://u:p@h/?key=1", "Bearer x")),
    "redaction of JSON": Parser(Redaction().json, samples=('{"api_key": "abc", "n": [1]}',)),
    "terminal": Parser(visible, samples=("\x1b[2J", "a\u200db")),
    "query": Parser(query_terms, samples=("capital of 中国", "กรุงเทพ")),
}


@pytest.mark.parametrize("name", PARSERS)
def test_only_typed_errors(name: str) -> None:
    only_typed_errors(PARSERS[name])


@pytest.mark.parametrize("name", PARSERS)
def test_no_time_beyond_linear(name: str) -> None:
    time_is_linear(PARSERS[name])
