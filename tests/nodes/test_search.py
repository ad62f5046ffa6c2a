from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from apportion import JsonOutput, OneOf
from apportion.budgets.books import MemoryStore
from apportion.budgets.cap import Cap
from apportion.errors import CallFailed, GraphError, NodeFailed, UsageError
from apportion.graphs.graph import Graph
from apportion.graphs.run import Runner
from apportion.models.pool import Pool
from apportion.models.request import Request
from apportion.nodes import Inputs, Search, adaptive, node_from_json
from apportion.nodes.base import Node
from apportion.nodes.search import KIND
from apportion.records.status import Status
from apportion.records.task import Task
from apportion.testing.node import NodeBench, NodeConformance, NodeRun
from apportion.testing.scripted import ScriptedModel

TASK = Task(question="Where is Cid?")
INPUTS = Inputs(TASK, TASK.question, {})
FACTS = ["Cid works with Bob.", "Bob stays with Ann.", "Ann sleeps in Rome.", "Dan saw Cid."]


def archive(query: str, top_k: int) -> list[str]:
    return [f"{query} {'long ' * 500}{number}" for number in range(top_k)]


class TestConformance(NodeConformance):
    kind = KIND

    def node(self) -> Node:
        return Search(retriever=archive, model="scripted", rounds=2, top_k=2, max_output_tokens=300)

    def reply(self, request: Request) -> str:
        finished = request.messages[1].content.count("\n\nQuery: ")
        return "Answer: 42" if finished == 2 else f"Query: {finished} {'words ' * 40}"


class TestAdaptiveConformance(TestConformance):
    def node(self) -> Node:
        return Search(retriever=archive, model="scripted", rounds=adaptive(0, 3), max_output_tokens=100)

    def reply(self, request: Request) -> str:
        return "Answer: 42" if "No more searching" in request.messages[1].content else "Query: same again"


class TestChainsConformance(TestConformance):
    def node(self) -> Node:
        return Search(
            retriever=archive, model="scripted", rounds=2, top_k=2, max_output_tokens=300, samples=3, temperature=0.7
        )


class TestMendingConformance(TestConformance):
    gold = '{"n": 42}'

    def node(self) -> Node:
        output = JsonOutput({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
        return Search(
            retriever=archive, model="scripted", rounds=2, top_k=2, max_output_tokens=300, output=output, repairs=1
        )

    def reply(self, request: Request) -> str:
        if any("cannot be used" in message.content for message in request.messages):
            return 'Answer: {"n": 42}'
        finished = request.messages[1].content.count("\n\nQuery: ")
        return "Answer: {}" if finished == 2 else f"Query: {finished} {'words ' * 40}"


def test_an_option_may_say_that_there_is_no_answer(corpus: str) -> None:
    found, _ = search(corpus, "Answer: unknown", output=OneOf("here", "unknown"))
    assert (found.message.status, found.message.answer) == (Status.OK, "unknown")
    lost, _ = search(corpus, "Answer: unknown")
    assert lost.message.status is Status.UNKNOWN


@pytest.fixture
def corpus(tmp_path: Path) -> str:
    file = tmp_path / "facts.txt"
    file.write_text("\n".join(FACTS))
    return str(file)


def search(corpus: str, *replies: str, **settings: object) -> tuple[NodeRun, ScriptedModel]:
    model = ScriptedModel(lambda request: replies[len(model.requests) - 1])
    node = Search.model_validate({"retriever": corpus, "model": "scripted", "top_k": 1, **settings})
    return NodeBench([model]).run(node, INPUTS), model


def test_each_query_is_written_from_what_was_read(corpus: str) -> None:
    outcome, model = search(corpus, "Query: Cid works", "Query: Bob stays", "Query: Ann sleeps", "Answer: Rome")
    assert outcome.message.answer == "Rome"
    assert outcome.message.evidence == tuple(FACTS[:3])
    assert (
        model.requests[2]
        .messages[1]
        .content.endswith("Query: Cid works\n- Cid works with Bob.\n\nQuery: Bob stays\n- Bob stays with Ann.")
    )
    assert [event for event, _ in outcome.events] == ["query"] * 3


def test_it_ends_when_it_answers(corpus: str) -> None:
    outcome, model = search(corpus, "Answer: Rome")
    assert (outcome.message.answer, len(model.requests)) == ("Rome", 1)


def test_after_the_last_round_it_must_answer(corpus: str) -> None:
    outcome, model = search(corpus, "Query: Cid works", "Query: Bob", rounds=1)
    assert len(model.requests) == 2
    assert "No more searching" in model.requests[1].messages[1].content
    assert outcome.message.status is Status.PARSE_ERROR
    assert outcome.message.evidence == ("Cid works with Bob.",)


def test_no_rounds_is_an_answer_from_memory(corpus: str) -> None:
    outcome, model = search(corpus, "Answer: Rome", rounds=0)
    assert (outcome.message.answer, len(model.requests)) == ("Rome", 1)


def test_not_knowing_is_not_an_answer(corpus: str) -> None:
    outcome, _ = search(corpus, "Answer: Unknown.")
    assert (outcome.message.status, outcome.message.answer) == (Status.UNKNOWN, "")


def test_adaptive_rounds_end_when_nothing_new_comes(corpus: str) -> None:
    outcome, model = search(corpus, "Query: Cid works", "Query: works Cid", "Answer: Bob", rounds=adaptive(1, 5))
    assert outcome.message.answer == "Bob"
    assert "No more searching" in model.requests[2].messages[1].content


def test_rounds_give_way_when_the_run_runs_short(corpus: str) -> None:
    def rounds(cap: float | None, keep: float | None) -> int:
        asked: list[bool] = []

        def reply(request: Request) -> str:
            asked.append("No more searching" in request.messages[1].content)
            return "Answer: Rome" if asked[-1] else f"Query: Ann {len(asked)}"

        graph = Graph("short")
        graph.add("find", Search(retriever=corpus, model="scripted", rounds=6, keep=keep, max_output_tokens=20))

        async def answered() -> str | None:
            async with Runner(graph, Pool([ScriptedModel(reply)]), MemoryStore()) as runner:
                result = await runner.run(TASK, runner.space.default(), cap=None if cap is None else Cap(per_task=cap))
                return result.answer

        assert asyncio.run(answered()) == "Rome"
        return asked.index(True)

    assert rounds(None, None) == rounds(None, 0.9) == rounds(1_000_000, 0.5) == 6
    assert 1 <= rounds(20_000, 0.9) < 6
    assert rounds(20_000, 0.9) < rounds(20_000, 0.5) or rounds(20_000, 0.5) == 6


def test_nothing_kept_leaves_the_hash_as_it_was(corpus: str) -> None:
    assert "keep" not in Search(retriever=corpus).canonical()
    assert Search(retriever=corpus, keep=0.5).canonical()["keep"] == 0.5


def test_a_passage_is_evidence_once(corpus: str) -> None:
    outcome, _ = search(corpus, "Query: Cid works", "Query: Cid works", "Answer: Bob")
    assert outcome.message.evidence == ("Cid works with Bob.",)


def test_a_function_is_part_of_the_hash_and_survives_json() -> None:
    node = Search(retriever=archive, model="scripted")
    data = json.loads(json.dumps(node.canonical()))
    assert data["retriever"] == {"import": f"{archive.__module__}:archive"}
    assert node_from_json(data, allow=(archive.__module__,)) == node
    assert Search(retriever=f"{archive.__module__}:archive", model="scripted") == node


@pytest.mark.parametrize("named", ["subprocess:call", {"import": "subprocess:call"}])
def test_data_does_not_name_what_is_run(named: object) -> None:
    data = Search(retriever="corpus").canonical() | {"retriever": named}
    with pytest.raises(
        UsageError, match=r"retriever 'subprocess:call' is of the module 'subprocess'.*--allow subprocess"
    ):
        node_from_json(data)
    assert node_from_json(data, allow=("subprocess",)) == Search(retriever="subprocess:call")


def test_a_path_survives_json(tmp_path: Path) -> None:
    node = Search(retriever=tmp_path)
    assert node.canonical()["retriever"] == str(tmp_path)
    assert node_from_json(node.canonical()) == Search(retriever=str(tmp_path))


def test_bad_retrievers_are_refused() -> None:
    for wrong in (3, "", None, ["a:b"], {"import": 3}):
        with pytest.raises(GraphError, match="path of a folder"):
            Search.model_validate({"retriever": wrong})


class Shelf:
    def look(self, query: str, top_k: int) -> list[str]:
        return [f"the shelf has {query}"]


@pytest.mark.parametrize("retriever", [lambda query, top_k: [f"the shelf has {query}"], Shelf().look])
def test_what_has_no_name_is_searched_and_cannot_be_written_to_a_file(retriever: Any) -> None:
    node = Search(retriever=retriever, model="scripted", rounds=1)
    replies = iter(["Query: Cid", "Answer: Rome"])
    done = NodeBench([ScriptedModel(lambda request: next(replies))]).run(node, INPUTS)
    assert (done.message.answer, done.message.evidence) == ("Rome", ("the shelf has Cid",))
    with pytest.raises(GraphError, match=r"node 's': its retriever .* cannot be found again by a name"):
        Graph("g").add("s", node).to_json()


def chains(corpus: str, *scripts: Sequence[str | Exception], **settings: object) -> tuple[NodeRun, ScriptedModel]:
    """Chain i replies as the i-th script says, one after the other."""
    left = [list(script) for script in scripts]

    def script(request: Request) -> str:
        said = left[request.sample].pop(0)
        if isinstance(said, Exception):
            raise said
        return said

    model = ScriptedModel(script)
    known = {"retriever": corpus, "model": "scripted", "top_k": 1, "temperature": 0.7, "samples": len(scripts)}
    return NodeBench([model]).run(Search.model_validate({**known, **settings}), INPUTS), model


ROME = ["Query: Ann sleeps", "Answer: Rome"]
LONG = ["Query: Cid works", "Query: Bob stays", "Answer: rome."]
OSLO = ["Answer: Oslo"]


def test_chains_that_end_at_different_rounds_vote_and_the_winner_keeps_its_evidence(corpus: str) -> None:
    run, model = chains(corpus, OSLO, ROME, LONG)
    assert (run.message.answer, run.message.evidence) == ("Rome", (FACTS[2],))
    assert [candidate.answer for candidate in run.message.candidates] == ["Rome", "Oslo"]
    assert [candidate.confidence for candidate in run.message.candidates] == pytest.approx([2 / 3, 1 / 3])
    assert sorted(request.sample for request in model.requests) == [0, 1, 1, 2, 2, 2]
    queries = [(fields["chain"], fields["query"]) for event, fields in run.events if event == "query"]
    assert sorted(queries) == [(1, "Ann sleeps"), (2, "Bob stays"), (2, "Cid works")]


def test_the_first_chain_alone_asks_what_a_search_without_chains_asks(corpus: str) -> None:
    _, one = search(corpus, *ROME, temperature=0.7)
    _, several = chains(corpus, list(ROME), list(OSLO))
    assert set(one.requests) == {request for request in several.requests if request.sample == 0}


def test_adaptive_chains_end_when_enough_of_them_agree(corpus: str) -> None:
    run, model = chains(corpus, ROME, OSLO, LONG, OSLO, samples=adaptive(1, 4), stop="agree_2")
    assert run.message.answer == "Rome"
    assert {request.sample for request in model.requests} == {0, 1, 2}


def test_a_chain_without_an_answer_has_no_vote(corpus: str) -> None:
    slow: list[str | Exception] = ["Query: Cid works", CallFailed(Status.TIMEOUT, "too slow")]
    run, _ = chains(corpus, ["Answer: unknown"], slow, list(OSLO))
    assert (run.message.answer, run.message.status) == ("Oslo", Status.OK)
    assert run.message.candidates[0].confidence == pytest.approx(1 / 3)
    run, _ = chains(corpus, slow, ["Query: Ann sleeps", "Answer: not found"])
    assert (run.message.status, run.message.evidence) == (Status.UNKNOWN, (FACTS[2],))


def test_chains_that_trip_a_flag_are_drawn_anew(corpus: str) -> None:
    hedged: list[str | Exception] = ["Query: Cid works", "Answer: probably Oslo"]
    run, _ = chains(corpus, hedged, list(OSLO), ["hm"], list(ROME), list(ROME), samples=3, red_flags=("hedged",))
    assert run.message.candidates[0].confidence == pytest.approx(1 / 3)
    run, model = chains(
        corpus, hedged, list(OSLO), ["hm"], list(ROME), list(ROME), samples=3, red_flags=("hedged", "unread")
    )
    assert (run.message.answer, run.message.evidence) == ("Rome", (FACTS[2],))
    assert {request.sample for request in model.requests} == {0, 1, 2, 3, 4}


def test_under_a_cap_the_first_chain_comes_to_its_answer_before_the_others_begin(corpus: str) -> None:
    def script(request: Request) -> str:
        return "Answer: Rome" if "No more searching" in request.messages[1].content else "Query: Cid works"

    node = Search(retriever=corpus, model="scripted", top_k=1, rounds=2, temperature=0.7, max_output_tokens=20)
    alone = NodeBench([ScriptedModel(script)]).run(node, INPUTS)
    room = sum(bound.tokens for bound in alone.bounds)
    several = node.model_copy(update={"samples": 4})
    run = NodeBench([ScriptedModel(script)]).run(several, INPUTS, limit=room)
    assert (run.message.answer, run.message.status) == ("Rome", Status.OK)
    assert run.charged.tokens <= room


def test_a_retriever_that_fails_in_one_chain_of_several_fails_the_run(corpus: str) -> None:
    def broken(query: str, top_k: int) -> list[str]:
        if query == "Cid works":
            raise RuntimeError("no such shelf")
        return [query]

    graph = Graph("g").add("find", Search(retriever=broken, model="m", samples=3, temperature=0.7))
    replies = {0: "Answer: Rome", 1: "Query: Cid works", 2: "Query: Bob"}
    model = ScriptedModel(lambda request: replies[request.sample], name="m")
    with pytest.raises(NodeFailed, match="no such shelf"):
        graph.run(TASK, pool=Pool([model]))
