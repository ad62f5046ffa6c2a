"""A change in code of the user's own is seen, a change that makes no difference is not."""

from __future__ import annotations

import importlib.util
import sys
import textwrap
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from apportion.graphs.code import code_of, codes_of
from apportion.graphs.graph import Graph
from apportion.nodes.kinds import kinds_with
from apportion.nodes.search import Search
from apportion.nodes.solver import Solver
from apportion.tasks.metrics import METRICS

SOURCE = '''
"""A kind of somebody's own."""
from typing import ClassVar
from apportion.nodes.base import Kind, Node
from apportion.records.message import Message

PROMPT = "Think well: {question}"

class Mine(Node):
    kind: ClassVar[str] = "mine"

def asked(question):
    """What is asked."""
    return PROMPT.format(question=question)

async def run(node, inputs, context):
    return Message(answer=asked(inputs.question))  # as it is

def bounds(node, ask, incoming, speakers):
    return ()

def look_up(query, top_k):
    return [query]

def unrelated():
    return 1

KIND = Kind(config=Mine, run=run, worst_case=bounds)
'''
Load = Callable[..., ModuleType]


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    """Writes a module, with changes to its source, and imports it."""
    made: list[str] = []

    def load(*changes: tuple[str, str], name: str = "code_of_mine") -> ModuleType:
        source = SOURCE
        for before, after in changes:
            assert before in source
            source = source.replace(before, after)
        path = tmp_path / f"{name}{len(made)}.py"
        path.write_text(textwrap.dedent(source))
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        made.append(name)
        return module

    yield load
    for name in made:
        sys.modules.pop(name, None)


def codes(module: ModuleType) -> Any:
    return codes_of(Graph("g", kinds=kinds_with(module.KIND)).add("m", module.Mine()))


@pytest.mark.parametrize(
    "change",
    [
        ("Think well", "Think hard"),
        ("asked(inputs.question)", "inputs.question"),
        ("format(question=question)", "format(question=question + '?')"),
        ("return ()", "return tuple()"),
        ('kind: ClassVar[str] = "mine"', 'kind: ClassVar[str] = "mine"\n    tries: int = 2'),
    ],
)
def test_a_change_in_what_a_kind_does_is_another_code(load: Load, change: tuple[str, str]) -> None:
    before = codes(load())
    assert list(before) == ["kind 'mine'"]
    assert codes(load(change)) != before


def test_comments_docstrings_and_what_it_does_not_use_make_no_difference(load: Load) -> None:
    before = codes(load())
    harmless = [("# as it is", "# still as it is"), ("What is asked.", "What one asks."), ("return 1", "return 2")]
    assert codes(load(*harmless, ("somebody's own", "nobody's"))) == before


def test_a_version_of_its_own_speaks_for_a_kind(load: Load) -> None:
    own = ('kind: ClassVar[str] = "mine"', 'kind: ClassVar[str] = "mine"\n    version: ClassVar[int] = 3')
    assert codes(load(own)) == codes(load(own, ("Think well", "Think hard"))) == {"kind 'mine'": "version 3"}


def test_functions_count_by_version_or_source(load: Load) -> None:
    before = code_of(load().look_up)
    after = load(("[query]", "[query, query]")).look_up
    assert code_of(after) not in (before, "")
    assert code_of(partial(after, top_k=1)) == code_of(after)
    after.version = 2
    assert code_of(after) == "version 2"


def test_a_retriever_is_part_of_the_code_of_a_graph(load: Load) -> None:
    found = []
    for change in ([], [("[query]", "[query, query]")]):
        graph = Graph("g").add("s", Search(retriever=load(*change).look_up))
        found.append(codes_of(graph))
        assert list(found[-1]) == ["function 'code_of_mine:look_up'"]
    assert found[0] != found[1]


def test_what_comes_with_the_package_has_no_code_of_its_own() -> None:
    assert codes_of(Graph("g").add("solve", Solver())) == {}
    assert {code_of(metric) for metric in METRICS.values()} == {""}


def test_what_has_no_source_counts_by_its_name_with_a_warning() -> None:
    space: dict[str, Any] = {"__name__": "nowhere_at_all"}
    exec("def metric(task, answer):\n    return 1.0\n", space)  # noqa: S102 - as in a notebook
    with pytest.warns(UserWarning, match="nowhere_at_all:metric cannot be read.*give it a `version`"):
        assert code_of(space["metric"]).startswith("source ")
