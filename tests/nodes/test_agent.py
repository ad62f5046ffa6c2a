from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from apportion import Agent, JsonOutput, Pool, Prompt, load_pocket_models
from apportion.errors import CallFailed, GraphError, UsageError
from apportion.graphs.graph import Graph
from apportion.models.card import ModelCard
from apportion.models.pocket import PocketModel
from apportion.models.request import Reply, Request
from apportion.models.tools import ToolCall
from apportion.nodes import Inputs, adaptive, choose, node_from_json
from apportion.nodes.agent import KIND
from apportion.nodes.base import Incoming, Node
from apportion.nodes.prompts.base import Ask
from apportion.records.status import Status
from apportion.records.task import Task
from apportion.testing.node import NodeBench, NodeConformance, NodeRun
from apportion.testing.scripted import ScriptedModel

TASK = Task(question="Where is Cid?")
INPUTS = Inputs(TASK, TASK.question, {})
NATIVE = ModelCard(name="scripted", provider="scripted", attempts=1, tools=True)
SPOKEN = NATIVE.model_copy(update={"tools": False})
CARDS = {"native": NATIVE, "spoken": SPOKEN}


def search(query: str, limit: int = 3) -> str:
    """Looks up facts.

    Args:
        query: keywords.
    """
    return f"{limit} facts on {query}"


def long_search(query: str) -> str:
    return f"{query}: " + "long words\n" * 5000


async def add(numbers: list[int]) -> int:
    """The sum."""
    await asyncio.sleep(0)
    return sum(numbers)


def calls(*wanted: tuple[str, Any], text: str = "") -> Reply:
    made = tuple(
        ToolCall(name, given if isinstance(given, str) else json.dumps(given), f"id-{number}")
        for number, (name, given) in enumerate(wanted)
    )
    return Reply(text, "stop", None, tool_calls=made)


def in_words(reply: Reply) -> str:
    return "\n".join(filter(None, (reply.text, *(f"Call: {c.name} {c.arguments}" for c in reply.tool_calls))))


def told_to_answer(request: Request) -> bool:
    return "No more tools" in request.messages[-1].content


def done(request: Request) -> int:
    return sum(message.role == "assistant" for message in request.messages)


class Conversation:
    """Replies from a list, in the way that the card says; the last one again and again."""

    def __init__(self, way: str, *replies: str | Reply) -> None:
        self.way, self.replies = way, replies
        self.model = ScriptedModel(self.say, card=CARDS[way])

    def say(self, request: Request) -> str | Reply:
        reply = self.replies[min(done(request), len(self.replies) - 1)]
        return in_words(reply) if self.way == "spoken" and isinstance(reply, Reply) else reply

    def run(self, *tools: Callable[..., Any], **settings: Any) -> NodeRun:
        node = Agent(tools=tools or (search, add), model="scripted", **settings)
        return NodeBench([self.model]).run(node, INPUTS)

    def results(self) -> list[str]:
        """What the last request shows of results."""
        found = []
        for message in self.model.requests[-1].messages[1:]:
            if message.role == "tool":
                found.append(message.content)
            elif message.content.startswith("Results:"):
                found += re.split(r"\nResult of call \d+[^\n]*:\n", message.content)[1:]
        return found


def events(run: NodeRun, name: str) -> list[dict[str, Any]]:
    return [fields for event, fields in run.events if event == name]


class TestConformance(NodeConformance):
    kind = KIND

    def node(self) -> Node:
        return Agent(tools=(long_search, add), model="scripted", rounds=3, max_output_tokens=300)

    def reply(self, request: Request) -> str:
        if told_to_answer(request) or done(request) > 5:
            return "Answer: 42"
        return "\n".join(f'Call: long_search {{"query": "{done(request)} {number}"}}' for number in range(12))


class TestNativeConformance(TestConformance):
    def node(self) -> Node:
        return Agent(tools=(long_search, add), model="scripted", rounds=4, max_output_tokens=300, result_bytes=700)

    def bench(self, script: Callable[[Request], str | Reply] | None = None) -> NodeBench:
        def native(request: Request) -> str | Reply:
            if script is not None and (said := script(request)) and isinstance(said, str) and "Call:" not in said:
                return said
            text = self.reply(request)
            if "Call:" not in text:
                return text
            wanted = [("long_search", {"query": f"{done(request)} {number} <&>"}) for number in range(12)]
            return calls(*wanted, text="thinking " * 30)

        return NodeBench([ScriptedModel(native, card=NATIVE.model_copy(update={"json_schema": True}))], [self.kind])


class TestMendingConformance(TestConformance):
    gold = '{"n": 42}'

    def node(self) -> Node:
        output = JsonOutput({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
        return Agent(tools=(search,), model="scripted", rounds=2, max_output_tokens=300, output=output, repairs=1)

    def reply(self, request: Request) -> str:
        if any("cannot be used" in message.content for message in request.messages):
            return 'Answer: {"n": 42}'
        return "{}" if told_to_answer(request) else 'Call: search {"query": "n"}'


class TestOneRoundConformance(TestConformance):
    def node(self) -> Node:
        return Agent(tools=(search,), model="scripted", rounds=1, max_output_tokens=100)


class TestSamplesConformance(TestConformance):
    def node(self) -> Node:
        tools = (long_search, add)
        return Agent(
            tools=tools, model="scripted", rounds=3, max_output_tokens=300, samples=adaptive(2, 4), temperature=0.7
        )


class TestNativeSamplesConformance(TestNativeConformance):
    def node(self) -> Node:
        settings: dict[str, Any] = {"samples": 3, "temperature": 0.7, "red_flags": ("unread",), "redraws": 1}
        return Agent(tools=(long_search, add), model="scripted", rounds=2, max_output_tokens=300, **settings)


class TestMendingSamplesConformance(TestMendingConformance):
    def node(self) -> Node:
        return super().node().model_copy(update={"samples": 2, "temperature": 0.7})


@pytest.mark.parametrize("way", CARDS)
def test_it_calls_tools_and_answers_from_what_they_return(way: str) -> None:
    talk = Conversation(way, calls(("search", {"query": "Cid"})), calls(("add", {"numbers": [1, 2]})), "Answer: Rome")
    run = talk.run()
    assert (run.message.status, run.message.answer) == (Status.OK, "Rome")
    assert [text.removeprefix("| ") for text in talk.results()] == ["3 facts on Cid", "3"]
    assert [(e["name"], e["arguments"], e["result"], e["failed"]) for e in events(run, "tool")] == [
        ("search", '{"query": "Cid"}', "3 facts on Cid", False),
        ("add", '{"numbers": [1, 2]}', "3", False),
    ]


def test_a_model_with_tools_is_given_them_and_the_history_in_the_format_of_chat_completions() -> None:
    wanted = (("search", {"query": "a"}), ("add", {"numbers": [2]}))
    talk = Conversation("native", calls(*wanted, text="I look."), "Answer: Rome")
    talk.run(rounds=2)
    first, second = talk.model.requests
    assert (first.tool_choice, second.tool_choice) == ("auto", "none")
    assert [tool["function"]["name"] for tool in json.loads(first.tools)] == ["search", "add"]
    system, _, said, one, two = second.messages
    assert "Call:" not in system.content
    assert (said.role, said.content) == ("assistant", "I look.")
    assert [call.call_id for call in said.tool_calls] == ["call00000", "call00001"]
    assert (one.role, one.tool_call_id, one.content) == ("tool", "call00000", "3 facts on a")
    assert two.tool_call_id == "call00001"
    assert two.content.startswith("2\n\nNo more tools")


def test_a_model_without_tools_is_told_them_in_words() -> None:
    talk = Conversation("spoken", "I look.\n" + in_words(calls(("search", {"query": "a"}))), "Answer: Rome")
    talk.run(rounds=2)
    first, second = talk.model.requests
    assert not first.tools
    assert "Call: <name>" in first.messages[0].content
    assert '"query"' in first.messages[0].content
    assert [message.role for message in second.messages] == ["system", "user", "assistant", "user"]
    assert second.messages[2].content == 'I look.\nCall: search {"query": "a"}'
    assert "Result of call 1, search:\n| 3 facts on a\n\nNo more tools" in second.messages[3].content


@pytest.mark.parametrize("way", CARDS)
@pytest.mark.parametrize("last", ["Paris", "I think: Paris.\n\nAnswer: Paris", "The answer is Paris."])
def test_an_answer_may_come_in_any_round_and_with_or_without_its_mark(way: str, last: str) -> None:
    talk = Conversation(way, calls(("search", {"query": "Cid"})), last)
    assert talk.run().message.answer == "Paris"
    assert len(talk.model.requests) == 2


@pytest.mark.parametrize("way", CARDS)
def test_who_still_calls_after_the_last_round_has_no_answer(way: str) -> None:
    talk = Conversation(way, *(calls(("search", {"query": f"{n}"})) for n in range(9)))
    run = talk.run(rounds=3)
    assert len(talk.model.requests) == 3
    assert (run.message.status, run.message.answer) == (Status.PARSE_ERROR, "")
    assert "still calls 'search'" in run.message.reason
    assert len(events(run, "tool")) == 2


@pytest.mark.parametrize("way", CARDS)
def test_a_repeated_call_is_answered_from_memory_and_a_round_of_nothing_else_is_the_last_but_one(way: str) -> None:
    made: list[str] = []

    def look(query: str) -> str:
        made.append(query)
        return query * 2

    again = calls(("look", {"query": "a"}), ("look", '{"query":   "a"}'))
    talk = Conversation(way, again, calls(("look", {"query": "b"}), ("look", {"query": "a"})), again, "Answer: Rome")
    run = talk.run(look, rounds=9)
    assert made == ["a", "b"]
    assert run.message.answer == "Rome"
    assert [e["remembered"] for e in events(run, "tool")] == [False, True, False, True, True, True]
    assert [e["remembered"] for e in events(run, "tools")] == [1, 1, 2]
    assert told_to_answer(talk.model.requests[3])
    assert len(talk.model.requests) == 4


def test_a_call_that_failed_is_made_again() -> None:
    fates = iter([OSError("away"), None])

    def look(query: str) -> str:
        fate = next(fates)
        if fate:
            raise fate
        return "found"

    talk = Conversation("native", calls(("look", {"query": "a"})), calls(("look", {"query": "a"})), "Answer: Rome")
    run = talk.run(look)
    assert talk.results() == ["Error: OSError: away", "found"]
    assert [e["failed"] for e in events(run, "tool")] == [True, False]


def test_the_bound_of_very_many_rounds_is_found_at_once() -> None:
    bench = NodeBench([Conversation("native", "Answer: 1").model])
    node = Agent(tools=(search,), model="scripted", rounds=10_000)
    assert bench.worst_case(node, Ask("q"), Incoming(())).tokens > 10_000 * 10_000 / 2 * node.result_bytes


def test_a_template_must_say_how_tools_are_called() -> None:
    with pytest.raises(GraphError, match=r"without \{format\}"):
        Agent(tools=(search,), prompt=Prompt("{question}"), output="text")


def test_an_answer_that_misses_its_output_is_mended_without_tools() -> None:
    output = JsonOutput({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
    talk = Conversation("native", calls(("search", {"query": "a"})), "{}", 'Answer: {"n": 4}')
    run = talk.run(output=output, repairs=1)
    assert run.message.data == {"n": 4}
    assert talk.model.requests[-1].tool_choice == "none"


def test_a_prompt_of_the_users_own_says_how_many_rounds_are_left() -> None:
    talk = Conversation("spoken", calls(("search", {"query": "a"})), "Answer: Rome")
    talk.run(prompt=Prompt("{question} {rounds_left} left. {format}"), rounds=3)
    assert "Where is Cid? 2 left. The tools, one a line:" in talk.model.requests[0].messages[0].content
    assert "Where is Cid? 1 left." in talk.model.requests[1].messages[0].content


def test_a_run_that_is_cancelled_in_a_tool_ends_at_once() -> None:
    talk = Conversation("native", calls(("wait", {"query": "a"})), "Answer: Rome")

    async def story() -> None:
        begun = asyncio.Event()

        async def wait(query: str) -> str:
            begun.set()
            await asyncio.sleep(60)
            return "late"

        graph = Graph("g").add("act", Agent(tools=(wait,)))
        run = asyncio.ensure_future(graph.arun("Where?", pool=Pool([talk.model])))
        await begun.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(asyncio.wait_for(story(), 20))


def test_a_call_that_fails_ends_the_loop_with_its_status() -> None:
    def script(request: Request) -> Reply:
        if done(request):
            raise CallFailed(Status.TIMEOUT, "planted")
        return calls(("search", {"query": "a"}))

    run = NodeBench([ScriptedModel(script, card=NATIVE)]).run(Agent(tools=(search,), model="scripted"), INPUTS)
    assert (run.message.status, run.message.reason) == (Status.TIMEOUT, "planted")


def test_embedded_models_are_left_out_where_they_can_call_no_tool_and_a_pool_of_nothing_else_is_a_mistake() -> None:
    pocket, chat = load_pocket_models()[:1], Conversation("native", "Answer: 1").model
    graph = Graph("g").add("act", Agent(tools=(add,), rounds=choose(2, 4)))
    space = graph.space(Pool([*pocket, chat]))
    assert space.knobs["act.model"] == ("scripted",)
    with pytest.raises(GraphError, match=r"calls only a function that needs one text, called expression or query"):
        graph.space(Pool(pocket))
    looks_up = Graph("g").add("act", Agent(tools=(add, search), rounds=choose(2, 4)))
    assert looks_up.space(Pool([*pocket, chat])).knobs["act.model"] == ("pocket-30k", "scripted")
    served = PocketModel(pocket[0].card.model_copy(update={"tools": False}))
    with pytest.raises(GraphError, match=r"tools = false in its card"):
        looks_up.space(Pool([served]))


def test_a_graph_with_named_tools_is_read_from_a_file_where_their_module_is_admitted() -> None:
    node = Agent(tools=(search, add), model="m", rounds=2)
    written = json.loads(json.dumps(node.canonical()))
    assert written["tools"] == [{"import": f"{__name__}:search"}, {"import": f"{__name__}:add"}]
    assert node_from_json(written, allow=(__name__,)) == node
    with pytest.raises(UsageError, match="--allow"):
        node_from_json(written, allow=())
    graph = Graph("g").add("act", node)
    assert graph.blueprint.modules == (__name__.partition(":")[0],)


@pytest.mark.parametrize("tools", [(), "nothing", 3, (1,), ({"import": 3},)])
def test_what_is_no_tool_is_refused(tools: Any) -> None:
    with pytest.raises(GraphError, match="tools"):
        Agent(tools=tools)


def test_a_tool_that_no_module_holds_runs_and_cannot_be_written_to_a_file() -> None:
    def look(query: str) -> str:
        return query

    graph = Graph("g").add("act", Agent(tools=(search, look)))
    with pytest.raises(GraphError, match=r"tools\[1\] .*look"):
        graph.to_json()
