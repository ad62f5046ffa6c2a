from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apportion import Agent, Cap, Graph, McpTools, Pool, open_store
from apportion.errors import GraphError, ToolServerError, UsageError
from apportion.graphs.bounds import worst_case
from apportion.models.request import Reply, Request
from apportion.nodes import choose, node_from_json
from apportion.nodes.base import Node
from apportion.nodes.mcp_tools import servers_of
from apportion.records import Status, Task
from apportion.testing.node import NodeBench
from apportion.testing.scripted import ScriptedModel

from .servers.plain import command, ended, pids
from .test_agent import CARDS, INPUTS, Conversation, calls, done, events, in_words, told_to_answer
from .test_agent import TestConformance as _Conformance


def add(numbers: list[int]) -> int:
    """The sum."""
    return sum(numbers)


def echo(text: str) -> str:
    return text


def server(habit: str, *more: object, **settings: Any) -> McpTools:
    return McpTools(command=command(habit, *more), **settings)


HONEST = server("honest")


@pytest.fixture(autouse=True, scope="module")
def kept() -> Iterator[None]:
    """One process serves all tests that need an honest one."""
    with HONEST.kept():
        yield


class TestServerConformance(_Conformance):
    def node(self) -> Node:
        return Agent(tools=(HONEST, add), model="scripted", rounds=3, max_output_tokens=300)

    def reply(self, request: Request) -> str:
        return super().reply(request).replace("long_search", "echo").replace("query", "text")


@pytest.mark.parametrize("way", CARDS)
def test_a_model_calls_tools_of_a_server_beside_functions(way: str) -> None:
    wanted = calls(("echo", {"text": "Oslo"}), ("add", {"numbers": [1, 2]}), ("echo", {"text": 7}), ("echo", {}))
    talk = Conversation(way, wanted, "Answer: Rome")
    tools: Any = (server("honest"), add)
    run = talk.run(*tools)
    assert (run.message.status, run.message.answer) == (Status.OK, "Rome")
    assert [text.removeprefix("| ") for text in talk.results()] == [
        "echo: Oslo",
        "3",
        "Error: the arguments of echo do not fit: text: 7 is not of type 'string'",
        "Error: the arguments of echo do not fit: $: 'text' is a required property",
    ]
    assert [event["failed"] for event in events(run, "tool")] == [False, False, True, True]


@pytest.mark.parametrize(
    ("habit", "result"),
    [
        ("fails", "no such town\nin line 2"),
        ("dies", "ended during the call: it ended with exit code 3"),
        ("sleeps", "Error: echo was not done within 0.3 seconds"),
        ("breaks off", "Error: "),
        ("huge", "[cut; 10,000,000 characters in all]"),
    ],
)
def test_what_goes_wrong_in_a_server_is_a_text_for_the_model(habit: str, result: str) -> None:
    talk = Conversation("native", calls(("echo", {"text": "a"})), "Answer: Rome")
    tools: Any = (server(habit),)
    run = talk.run(*tools, timeout_seconds=0.3 if habit == "sleeps" else 30.0)
    assert run.message.answer == "Rome"
    assert result in talk.results()[0]
    assert events(run, "tool")[0]["failed"] is (habit != "huge")


@pytest.mark.parametrize(
    ("tools", "reason"),
    [
        ((server("cannot start"),), "exit code 1; its last words were 'no configuration'"),
        ((server("no name"),), "a tool that is called ''"),
        ((server("long name"),), "endpoints take names of 1 to 64 characters"),
        ((server("no object"),), "tools.0.inputSchema.type: Input should be 'object'"),
        ((server("no schema"),), "is none: $.properties.text.type: 'words' is not valid"),
        ((server("twice"),), "two tools are called 'echo'"),
        ((server("same when told"),), "two tools are called 'a_b'"),
        ((server("honest"), echo), "two tools are called 'echo'"),
        ((server("honest"), server("prints")), "told apart by McpTools(prefix=...)"),
        ((server("none"),), "lists no tools"),
        ((server("honest", only=("echo", "read")),), "lists no tool 'read'; there are 'echo'"),
        ((server("many"),), "schema_bytes=8,000; raise it to 4"),
    ],
)
def test_what_a_server_lists_and_cannot_be_offered_ends_the_run_with_an_error(tools: Any, reason: str) -> None:
    graph = Graph("g").add("act", Agent(tools=tools))
    pool = Pool([Conversation("native", "Answer: Rome").model])
    with pytest.raises(ToolServerError) as error:
        graph.run("Where?", pool=pool)
    assert reason in str(error.value)


@pytest.mark.parametrize(
    ("tools", "names"),
    [
        ((server("dotted name"),), ["echo", "files_read_all"]),
        ((server("dotted name", only=("files/read.all",)),), ["files_read_all"]),
        ((server("honest", prefix="a_"), server("prints", prefix="b-"), echo), ["a_echo", "b-echo", "echo"]),
        ((server("far reference"),), ["echo"]),
        ((server("slow pattern"),), ["echo"]),
        ((server("many", schema_bytes=60_000),), [f"tool{number:03}" for number in range(100)]),
    ],
)
def test_tools_are_offered_under_names_that_endpoints_take(tools: Any, names: list[str]) -> None:
    talk = Conversation("native", calls((names[0], {"text": "x" * 40})), "Answer: Rome")
    run = talk.run(*tools)
    assert [tool["function"]["name"] for tool in json.loads(talk.model.requests[0].tools)] == names
    assert talk.results()[0].endswith(f": {'x' * 40}")
    assert run.message.answer == "Rome"


@pytest.mark.parametrize("way", CARDS)
@pytest.mark.parametrize("samples", [1, 2])
def test_the_bound_holds_for_a_server_that_lists_all_that_it_may(way: str, samples: int) -> None:
    """It counts `schema_bytes` and no server: the one that is asked takes exactly so many."""
    size = size_of(server("many", schema_bytes=64))
    tools = (server("many", schema_bytes=size), echo)

    def script(request: Request) -> str | Reply:
        if told_to_answer(request):
            return "Answer: Rome"
        text = "x" * (request.max_output_tokens // 4)
        reply = calls(*((f"tool{n:03}", {"text": f"{text}{done(request)}"}) for n in range(8)))
        return reply if way == "native" else in_words(reply)

    pool = Pool([ScriptedModel(script, card=CARDS[way])])
    settings: dict[str, Any] = {"samples": samples, "temperature": 0.7} if samples > 1 else {}
    graph = Graph("g").add("act", Agent(tools=tools, rounds=3, max_output_tokens=1200, result_bytes=600, **settings))
    task = Task(question="Where?")
    bound = worst_case(graph, graph.space(pool).default(), task, pool)
    result = graph.run(task, pool=pool, cap=Cap(total=bound.value("tokens")))
    assert (result.status, result.answer) == (Status.OK, "Rome"), result.reason
    tight = Graph("g").add("act", Agent(tools=(server("many", schema_bytes=size - 1),)))
    with pytest.raises(ToolServerError, match=f"raise it to {size:,}"):
        tight.run(task, pool=pool)


def size_of(tools: McpTools) -> int:
    """What its tools take, as the error says that refuses them."""
    with pytest.raises(ToolServerError) as error:
        Graph("g").add("act", Agent(tools=(tools,))).run("?", pool=Pool([Conversation("native", "x").model]))
    return int(str(error.value).partition("that take ")[2].partition(" ")[0].replace(",", ""))


def test_a_file_is_data_and_its_command_is_started_only_where_it_is_admitted(tmp_path: Path) -> None:
    tools = server("honest", tmp_path, env=("HOME",), prefix="x_")
    graph = Graph("g").add("act", Agent(tools=(tools, add), model="scripted"))
    text = graph.to_json()
    assert graph.blueprint.modules == (__name__.partition(":")[0], tools.name)
    for allow in ((__name__,), (__name__, "mcp:python"), (__name__, server("honest", tmp_path).name), tools.name[4:]):
        with pytest.raises(UsageError) as error:
            Graph.from_json(text, allow=allow)
    assert f"--allow '{tools.name}'" in str(error.value)
    assert f"allow=({tools.name!r},)" in str(error.value)
    loaded = Graph.from_json(text, allow=(__name__, tools.name))
    assert (loaded.hash, loaded.to_json()) == (graph.hash, text)
    pool = Pool([Conversation("native", calls(("x_echo", {"text": "a"})), "Answer: Rome").model])
    loaded.draw()
    worst_case(loaded, loaded.space(pool).default(), Task(question="?"), pool)
    assert pids(tmp_path) == []
    assert loaded.run("Where?", pool=pool).answer == "Rome"
    assert all(map(ended, pids(tmp_path)))


def test_a_file_has_what_is_set_and_the_hash_follows_from_it() -> None:
    node = Agent(tools=(McpTools(command=("python", "server.py"), usd_per_call=0.01),), model="m")
    assert node.canonical()["tools"] == [{"mcp": {"command": ["python", "server.py"], "usd_per_call": 0.01}}]
    assert node_from_json(json.loads(json.dumps(node.canonical())), allow=None) == node
    one, two = (
        Graph("g").add("act", Agent(tools=(McpTools(command=("a",), schema_bytes=size),))) for size in (8000, 9000)
    )
    assert one.hash != two.hash
    assert [tools.name for tools in servers_of(node)] == ["mcp:python server.py"]


def test_the_name_tells_every_command_apart() -> None:
    names = [
        McpTools(command=command, env=env).name
        for command, env in (
            (("a", "b"), ()),
            (("a b",), ()),
            (("$X", "a"), ()),
            (("a",), ("X",)),
            (("a", "$X"), ()),
            (("a", ""), ()),
            (("a",), ()),
        )
    ]
    assert len(set(names)) == len(names)
    assert names[3] == "mcp:$X a"


@pytest.mark.parametrize(
    "settings",
    [
        {"command": ()},
        {"command": "python server.py"},
        {"command": ("a\0b",)},
        {"command": ("a",), "env": ("A=B",)},
        {"command": ("a",), "prefix": "a.b"},
        {"command": ("\ud800",)},
        {"command": ("a",), "only": ("\ud800",)},
        {"command": ("a",), "usd_per_call": -1.0},
        {"command": ("a",), "usd_per_call": float("nan")},
        {"command": ("a",), "schema_bytes": 0},
        {"command": ("a",), "start_seconds": 0.0},
        {"command": ("a",), "cwd": "/"},
    ],
)
def test_settings_that_do_not_fit_are_refused_from_python_and_from_files(settings: dict[str, Any]) -> None:
    with pytest.raises(GraphError, match="McpTools"):
        McpTools(**settings)
    written = Agent(tools=(add,), model="m").canonical() | {"tools": [{"mcp": settings}]}
    with pytest.raises(GraphError, match="McpTools"):
        node_from_json(written, allow=None)


@pytest.mark.parametrize("env", [{"TOKEN": "s3cret"}, ("TOKEN=s3cret",), "TOKEN=s3cret", ["A", 5], ("A\n",)])
def test_who_gives_values_of_variables_is_told_to_name_them_and_they_are_not_shown(env: Any) -> None:
    with pytest.raises(GraphError, match=r"McpTools, field 'env': give only the names of variables") as error:
        McpTools(command=("a",), env=env)
    assert "s3cret" not in str(error.value)


def test_a_command_in_one_text_is_refused_with_the_remedy() -> None:
    with pytest.raises(GraphError, match=r"field 'command': give the program and each of its arguments by itself"):
        McpTools(command="python server.py")  # type: ignore[arg-type]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_one_server_serves_the_nodes_and_runs_that_go_on_at_the_same_time(tmp_path: Path) -> None:
    tools = server("honest", tmp_path)
    talk = Conversation("native", calls(("echo", {"text": "a"})), "Answer: Rome")
    graph = Graph("g").add("one", Agent(tools=(tools,))).add("two", Agent(tools=(tools,))).connect("one", "two")
    pool = Pool([talk.model])
    graph.run("Where?", pool=pool)
    graph.run("Where?", pool=pool)
    assert len(pids(tmp_path)) == 2
    with tools.kept():
        graph.run("Where?", pool=pool)
        with tools.kept():
            graph.run("Where?", pool=pool)
        graph.run("Where?", pool=pool)
        assert len(pids(tmp_path)) == 3
    assert all(map(ended, pids(tmp_path)))


def test_without_the_package_a_run_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    graph = Graph("g").add("act", Agent(tools=(server("prints"),), rounds=choose(2, 3)))
    pool = Pool([Conversation("native", "Answer: Rome").model])
    assert graph.space(pool).size == 2
    with pytest.raises(ToolServerError, match=r"pip install 'apportion\[mcp\]'"):
        graph.run("Where?", pool=pool)


def test_what_a_server_tells_of_its_key_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWN_KEY", "correct horse battery")
    monkeypatch.setenv("TOWN_NAME", "incorrect horse battery")
    tools = server("tells its key", env=("TOWN_KEY", "TOWN_NAME"))
    assert tools.secrets == ("correct horse battery",)
    talk = Conversation("native", calls(("echo", {"text": "a"})), "Answer: Rome")
    with open_store(tmp_path / "runs.db") as store:
        graph = Graph("g").add("act", Agent(tools=(tools,)))
        result = graph.run("Where?", pool=Pool([talk.model]), store=store)
        assert talk.results() == ["401 for correct horse battery"]
        assert "401 for [redacted]" in "".join(span.events for span in store.spans(result.run_id))
    assert all(b"correct horse" not in file.read_bytes() for file in tmp_path.iterdir())


def test_a_server_on_its_own_bench_can_be_tried() -> None:
    model = Conversation("native", calls(("echo", {"text": "a"})), "Answer: Rome").model
    run = NodeBench([model]).run(Agent(tools=(server("honest"),), model="scripted"), INPUTS)
    assert run.message.answer == "Rome"
