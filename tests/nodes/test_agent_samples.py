"""An agent that goes through its loop several times, and the engines that run it."""

from __future__ import annotations

import asyncio
import re
import zlib
from dataclasses import replace
from typing import Any

import pytest

from apportion import Agent, Cap, Pool
from apportion.budgets.books import MemoryStore
from apportion.errors import CallFailed
from apportion.graphs.graph import Graph
from apportion.graphs.result import Engine
from apportion.graphs.run import Runner
from apportion.models.request import Reply, Request
from apportion.nodes import adaptive
from apportion.records.status import Status
from apportion.records.task import Task
from apportion.testing.node import NodeBench
from apportion.testing.scripted import ScriptedModel

from .test_agent import CARDS, INPUTS, NATIVE, Conversation, calls, done, events, in_words, search, told_to_answer


@pytest.mark.parametrize("way", CARDS)
def test_samples_are_loops_of_their_own_that_vote(way: str) -> None:
    made: list[str] = []

    def look(query: str) -> str:
        made.append(query)
        return f"{query}{len(made)}"

    def script(request: Request) -> str | Reply:
        if not done(request):
            reply = calls(("look", {"query": "a"}))
            return reply if way == "native" else in_words(reply)
        return "Answer: Oslo" if request.sample == 1 else "Answer: Rome"

    bench = NodeBench([ScriptedModel(script, card=CARDS[way])])
    run = bench.run(Agent(tools=(look,), model="scripted", samples=3, temperature=0.7), replace(INPUTS, round=1))
    assert run.message.answer == "Rome"
    assert [(c.answer, round(c.confidence or 0, 2)) for c in run.message.candidates] == [("Rome", 1.0)]
    assert made == ["a"] * 3  # what one loop remembers, another does not
    assert sorted(request.sample for request in run.requests) == [3, 3, 4, 4, 5, 5]
    assert sorted(event["sample"] for event in events(run, "tool")) == [0, 1, 2]


@pytest.mark.parametrize("total", [None, 2600, 4000])
@pytest.mark.parametrize("samples", [3, adaptive(2, 5)])
@pytest.mark.parametrize("way", CARDS)
def test_both_engines_give_the_same_messages_and_charges(way: str, samples: Any, total: int | None) -> None:
    """Also where calls fail, replies cannot be read, samples are discarded, and a cap is reached."""

    def script(request: Request) -> str | Reply:
        drawn = zlib.crc32(repr((*(message.content for message in request.messages), request.sample)).encode())
        if drawn % 11 == 0:
            raise CallFailed(Status.PROVIDER_ERROR, "down", billed=bool(drawn % 2))
        if drawn % 3 and not told_to_answer(request):
            reply = calls(("search", {"query": f"q{drawn % 5}"}))
            return reply if way == "native" else in_words(reply)
        return ("Answer: Rome", "Answer: Oslo", "Answer: I don't know", "", "Answer: perhaps Rome")[drawn // 7 % 5]

    node = Agent(
        tools=(search,),
        samples=samples,
        temperature=0.7,
        rounds=3,
        max_output_tokens=60,
        red_flags=("hedged", "unread"),
    )

    async def ran(engine: Engine, number: int) -> tuple[Any, ...]:
        pool, store = Pool([ScriptedModel(script, card=CARDS[way])]), MemoryStore()
        async with Runner(Graph("g").add("act", node), pool, store) as runner:
            cap = None if total is None else Cap(per_task=total)
            task = Task(question=f"Where is {number}?")
            found = await runner.run(task, runner.space.default(), cap=cap, engine=engine)
            spans = store.spans(found.run_id)
            votes = [re.findall('"event": "vote".*', span.events) for span in spans]
            told = [(span.node, span.status, span.charged, span.lost, span.answer) for span in spans]
            return str(replace(found, latency=0.0)).replace(found.run_id, ""), told, votes

    for number in range(8):
        assert asyncio.run(ran("langgraph", number)) == asyncio.run(ran("direct", number))


def test_a_loop_that_a_red_flag_discards_is_gone_through_anew() -> None:
    def script(request: Request) -> str | Reply:
        if not done(request):
            return calls(("search", {"query": "a"}))
        return "Answer: perhaps Oslo" if request.sample == 0 else "Answer: Rome"

    node = Agent(tools=(search,), model="scripted", temperature=0.7, red_flags=("hedged",), redraws=1)
    run = NodeBench([ScriptedModel(script, card=NATIVE)]).run(node, INPUTS)
    assert run.message.answer == "Rome"
    assert len(run.requests) == 4
    (vote,) = events(run, "vote")
    assert vote["flagged"] == [[0, "hedged: the answer says 'perhaps'"]]


def test_a_single_loop_is_written_and_asked_as_ever() -> None:
    node = Agent(tools=(search,), model="scripted")
    assert "samples" not in node.canonical()
    assert node.canonical()["temperature"] == 0.0
    run = Conversation("native", calls(("search", {"query": "a"})), "Answer: Rome").run()
    assert {request.sample for request in run.requests} == {0}
    assert all("sample" not in event for event in events(run, "tool"))
    assert run.message.rounds == 1


def test_gates_can_read_how_many_rounds_of_calls_an_agent_took() -> None:
    two = calls(("search", {"query": "a"})), calls(("search", {"query": "b"}))
    assert Conversation("native", "Answer: Rome").run().message.rounds == 0
    assert Conversation("native", *two, "Answer: Rome").run().message.rounds == 2
    assert Conversation("native", *two, calls(("search", {"query": "c"}))).run(rounds=3).message.rounds == 2
