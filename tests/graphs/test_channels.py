from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from apportion import Cap, Graph, Infeasible, Pool, Search, Solver, Task, Verifier, load_pocket_models
from apportion.budgets.books import MemoryStore
from apportion.graphs.bounds import worst_case
from apportion.graphs.channels import message_sizes, speakers_of
from apportion.graphs.resolved import resolve
from apportion.models.card import ModelCard
from apportion.models.request import Reply, Request
from apportion.records.message import ANY_SIZE, MessageSize
from apportion.records.status import Status
from apportion.records.usage import Usage
from apportion.testing.scripted import ScriptedModel

TASK = Task(question="sort a list", gold="x")
CODE = "; ".join(f"swap(items, {n}, {n + 1})" for n in range(80))


def coder(request: Request) -> str:
    asked = request.messages[-1].content
    return "90" if "how likely" in asked.lower() or "probability" in asked.lower() else f"Answer: {CODE}"


def sizes(graph: Graph, pool: Pool, task: Task = TASK) -> dict[str, MessageSize]:
    space = graph.space(pool)
    resolved = resolve(space, space.default())
    return dict(message_sizes(resolved, task, speakers_of(resolved, pool)))


def judged(cap: int) -> Graph:
    graph = Graph("code").add("solve", Solver(model="m", samples=3, max_output_tokens=cap))
    graph.add("vote", Verifier(method="vote")).connect("solve", "vote")
    return graph.add("judge", Verifier(model="m", method="score")).connect("vote", "judge")


def test_a_long_answer_passes_edge_vote_and_judge_whole() -> None:
    model = ScriptedModel(coder, name="m")
    result = judged(4000).run(TASK, pool=Pool([model]))
    assert len(CODE) > 1500
    assert result.status is Status.OK
    assert result.answer == CODE
    assert CODE in model.requests[-1].messages[-1].content


def test_what_is_larger_than_its_edge_has_a_status_that_names_edge_and_setting() -> None:
    card = ModelCard(name="m", bytes_per_token=1)
    model = ScriptedModel(lambda request: Reply("x" * 600, "stop", usage=Usage(100, 64)), name="m", card=card)
    graph = Graph("g").add("solve", Solver(model="m", style="direct", max_output_tokens=64))
    graph.add("vote", Verifier(method="vote")).connect("solve", "vote")
    store = MemoryStore()
    result = graph.run(TASK, pool=Pool([model]), store=store)
    assert result.status is Status.OVERSIZE
    vote = next(span for span in store.spans(result.run_id) if span.node == "vote")
    for word in ("solve->vote", "600", "64", "output cap", "bytes_per_token"):
        assert word in vote.reason
    assert [event["event"] for event in json.loads(vote.events)] == ["oversize"]
    (call,) = store.calls(result.run_id)
    assert (call.outcome, "solve->vote" in call.error) == (Status.OVERSIZE, True)


def test_sizes_are_in_tokens_where_one_exact_tokenizer_counts_for_all() -> None:
    graph = Graph("g").add("solve", Solver(model="pocket-800k", samples=2, max_output_tokens=40))
    pocket = Pool(load_pocket_models())
    assert sizes(graph, pocket)["solve"] == MessageSize(answer=40, text=40, candidates=2)
    mixed = Pool([*load_pocket_models(), ScriptedModel(str, name="m")])
    assert sizes(graph, mixed) == sizes(graph, pocket)
    graph.add("judge", Verifier(model="m", method="score")).connect("solve", "judge")
    assert sizes(graph, mixed)["solve"].answer == 40 * pocket.card("pocket-800k").bytes_per_token


def test_a_verifier_carries_what_it_is_given() -> None:
    pool = Pool([ScriptedModel(str, name="m")])
    found = sizes(judged(50), pool)
    assert found["vote"] == MessageSize(answer=50, text=50, candidates=3)
    assert found["judge"] == MessageSize(answer=50, text=50, candidates=3)


def test_passages_are_measured_where_they_can_be(tmp_path: Path) -> None:
    corpus = tmp_path / "passages.txt"
    corpus.write_text("kemo works with rali.\n\nrali stays in room 4b\n")
    pool = Pool([ScriptedModel(str, name="m")])
    known = Graph("g").add("search", Search(model="m", retriever=str(corpus), rounds=5, top_k=3, max_output_tokens=9))
    assert sizes(known, pool)["search"].evidence == len("kemo works with rali.") + len("rali stays in room 4b")
    unknown = Graph("g").add("search", Search(model="m", retriever=str(tmp_path / "none"), rounds=5, top_k=3))
    assert sizes(unknown, pool)["search"].evidence == 5 * 3 * 1024


def test_a_kind_that_says_nothing_may_write_so_much(bench: Any, made_of: Any) -> None:
    graph = bench.chain(made_of(bench.answer), "a")
    assert sizes(graph, bench.one_model()) == {"a": ANY_SIZE}


def test_infeasible_names_the_setting_that_lowers_the_bound_most() -> None:
    graph = Graph("g").add("solve", Solver(model="m", samples=9, max_output_tokens=500))
    graph.add("refine", Solver(model="m", max_output_tokens=20)).connect("solve", "refine")
    pool = Pool([ScriptedModel(str, name="m")])
    with pytest.raises(Infeasible) as caught:
        graph.run(TASK, pool=pool, cap=Cap(per_task=100))
    assert "samples=4 of node 'solve', now 9, gives" in str(caught.value)
    foreseen = float(caught.value.remedy.rsplit(" ", 1)[1].replace(",", ""))
    graph = Graph("g").add("solve", Solver(model="m", samples=4, max_output_tokens=500))
    graph.add("refine", Solver(model="m", max_output_tokens=20)).connect("solve", "refine")
    assert worst_case(graph, graph.space(pool).default(), TASK, pool).total.tokens == foreseen
