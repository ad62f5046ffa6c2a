from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from apportion.nodes.base import Inputs, Node
from apportion.nodes.decomposer import Decomposer
from apportion.nodes.kinds import kind_of
from apportion.nodes.merger import Merger
from apportion.nodes.prompts import dialect_named
from apportion.nodes.search import Search
from apportion.nodes.solver import Solver
from apportion.nodes.symbolic.solve import SymbolicWorker
from apportion.nodes.symbolic_solver import SymbolicSolver
from apportion.nodes.verifier import Verifier
from apportion.records.message import Candidate, Message
from apportion.records.task import Task
from apportion.tasks.families import generate
from apportion.tasks.metrics import resolve_metric
from apportion.testing.node import NodeBench
from apportion.testing.scripted import ScriptedModel

SCORER = resolve_metric("auto")
BENCH = NodeBench([ScriptedModel(lambda request: "", name="m")])


class Bare:
    """What oracles see of a context: they make no calls."""

    node = "node"

    def __init__(self, resource: object = None) -> None:
        self.resource = resource


@pytest.fixture(scope="module")
def worker() -> Iterator[SymbolicWorker]:
    with SymbolicWorker() as made:
        yield made


def gold(
    node: Node, task: Task, *, question: str = "", messages: dict[str, Message] | None = None, resource: object = None
) -> Message | None:
    inputs = Inputs(task, question or task.question, messages or {})
    context: Any = Bare(resource)
    return asyncio.run(_awaited(node, inputs, context))


async def _awaited(node: Node, inputs: Inputs, context: Any) -> Message | None:
    oracle = kind_of(node).oracle
    assert oracle is not None
    return await oracle(node, inputs, context, SCORER)


def right(message: Message | None, task: Task) -> float:
    assert message is not None
    return SCORER(task, message.answer)


@pytest.mark.parametrize("family", ["chains", "composites", "hops", "puzzles", "connectivity", "counting", "stock"])
def test_solvers_and_mergers_give_the_gold_answer(family: str) -> None:
    for task in generate(family, 5, seed=1, difficulty=3):
        assert right(gold(Solver(model="m"), task), task) == 1.0
        assert right(gold(Merger(model="m"), task), task) == 1.0
    assert gold(Solver(model="m"), Task(question="No gold?")) is None


def test_a_part_has_the_answer_that_the_task_tells_of() -> None:
    told = {"parts": {"p1": "Who wrote it?", "p2": "When was {p1} born?"}, "combine": "{p2}"}
    answers = {"Who wrote it?": "Ann", "When was Ann born?": "1920"}
    task = Task(question="When was its author born?", gold="1920", metadata={"perfect": {**told, "answers": answers}})

    def value(question: str) -> str | None:
        said = gold(Solver(model="m"), task, question=question)
        return None if said is None else said.answer

    assert (value("Who wrote it?"), value("When was Ann born?")) == ("Ann", "1920")
    assert value("When was Bob born?") is None
    split = gold(Decomposer(model="m"), task)
    assert split is not None
    assert [(part.name, part.needs) for part in split.parts] == [("p1", ()), ("p2", ("p1",))]
    assert gold(Decomposer(model="m"), task, question="Who wrote it?") is None


@pytest.mark.parametrize("difficulty", [2, 5, 7])
@pytest.mark.parametrize("most", [2, 3, 7, 16])
def test_all_slices_of_a_list_have_answers_that_add_up(difficulty: int, most: int) -> None:
    slicer = Decomposer(method="slices", slice_letters=4, max_parts=most)
    for task in generate("counting", 3, seed=1, difficulty=difficulty):
        parts = BENCH.run(slicer, Inputs(task, task.question, {})).message.parts
        assert len(parts) == min(most, -(-len(task.question.split()[-1]) // 4))
        said = [gold(Solver(model="m"), task, question=part.question) for part in parts]
        assert sum(int(message.answer) for message in said if message) % 100 == int(task.gold)
        assert None not in said


def test_a_chain_may_be_cut_anywhere() -> None:
    (task,) = generate("chains", 1, seed=1, difficulty=4)
    first, rest = task.question[:5], task.question[5:]
    begun = gold(Solver(model="m"), task, question=f"{first}=")
    assert begun is not None
    assert right(gold(Solver(model="m"), task, question=f"{begun.answer}{rest}"), task) == 1.0
    assert gold(Solver(model="m"), task, question=f"{int(begun.answer) + 1:02d}{rest}") is None


@pytest.mark.parametrize("difficulty", [2, 3, 4])
def test_the_exact_splitter_splits_as_the_models_are_taught_to(difficulty: int) -> None:
    for task in generate("composites", 10, seed=2, difficulty=difficulty):
        said = gold(Decomposer(model="m", max_parts=8), task)
        assert said is not None
        shorthand = "|".join(part.question.removesuffix("=") for part in said.parts)
        combine = said.combine.removesuffix("=").replace("{", "").replace("}", "")
        read = dialect_named("pocket").read_decomposition(f"{shorthand}|{combine}")
        assert read is not None
        assert (read.parts, read.combine) == (said.parts, said.combine)
        # Its parts, solved exactly and combined exactly, are the answer.
        combined = said.combine
        for part in said.parts:
            answer = gold(Solver(model="m"), task, question=part.question)
            assert answer is not None
            combined = combined.replace(f"{{{part.name}}}", answer.answer)
        assert right(gold(Solver(model="m"), task, question=combined), task) == 1.0


def test_a_split_that_the_node_may_not_make_is_not_made() -> None:
    task = generate("composites", 1, seed=2, difficulty=4)[0]
    assert gold(Decomposer(model="m", max_parts=3), task) is None
    assert gold(Decomposer(model="m"), generate("chains", 1, seed=2, difficulty=4)[0]) is None


async def look_up(query: str, top_k: int) -> tuple[str, ...]:
    return ()


def test_a_search_finds_the_facts() -> None:
    search = Search(retriever=look_up, model="m")
    for task in generate("hops", 5, seed=3, difficulty=3):
        said = gold(search, task)
        assert right(said, task) == 1.0
        assert said is not None
        assert said.evidence == tuple(task.metadata["facts"])
        assert len(said.evidence) == 3
    assert gold(search, generate("chains", 1, seed=3, difficulty=3)[0]) is None
    assert gold(search, task, question="Which room?") is None


def test_a_perfect_formalisation_is_solved(worker: SymbolicWorker) -> None:
    for task in generate("puzzles", 3, seed=4, difficulty=4):
        said = gold(SymbolicSolver(model="m"), task, resource=worker)
        assert right(said, task) == 1.0
        assert said is not None
        assert said.candidates[0].checked
    assert gold(SymbolicSolver(model="m"), generate("chains", 1, seed=4, difficulty=2)[0], resource=worker) is None
    strange = Task(question="?", gold="1", metadata={"problem": "see page 3"})
    assert gold(SymbolicSolver(model="m"), strange, resource=worker) is None


def test_a_judge_chooses_what_is_right_among_what_it_looks_at() -> None:
    task = Task(question="Who?", gold="42", family="chains")
    messages = {
        "a": Message(answer="7", candidates=(Candidate("7", 0.6), Candidate("8", 0.4))),
        "b": Message(answer="42"),
    }
    said = gold(Verifier(method="vote"), task, messages=messages)
    assert said is not None
    assert (said.answer, said.accepted, len(said.candidates)) == ("42", True, 1)
    short = gold(Verifier(method="vote", max_candidates=1), task, messages={"a": messages["a"]})
    assert short is not None
    assert (short.answer, short.accepted) == ("7", False)
    assert short.reason
    assert gold(Verifier(method="vote"), task, messages={"a": Message(answer=" ")}) is None
