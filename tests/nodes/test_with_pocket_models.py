"""Every node kind on the embedded models: what they are good at depends on their training, what holds does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from apportion.models.pocket import load_pocket_models
from apportion.nodes import Decomposer, Inputs, Merger, Search, Solver, SymbolicSolver, Verifier, adaptive
from apportion.nodes.base import Incoming, Node
from apportion.nodes.retrieval import PassageIndex
from apportion.nodes.symbolic.solve import SymbolicWorker
from apportion.records.message import ANY_SIZE, Candidate, Message, Part
from apportion.records.status import Status
from apportion.records.task import Task
from apportion.tasks.families import corpus, generate
from apportion.testing.node import NodeBench

MODEL = "pocket-100k"
SEED = 3


@pytest.fixture(scope="module")
def bench() -> NodeBench:
    return NodeBench(load_pocket_models())


@pytest.fixture(scope="module")
def worker() -> Iterator[SymbolicWorker]:
    with SymbolicWorker() as shared:
        yield shared


def look_up(query: str, top_k: int) -> Sequence[str]:
    raise AssertionError("the bench brings its own index")


def given(task: Task, **messages: Message) -> Inputs:
    return Inputs(task, task.question, messages)


def one(family: str, difficulty: int) -> Task:
    return generate(family, 1, SEED, difficulty)[0]


@pytest.mark.parametrize("style", ["direct", "draft", "think"])
def test_every_style_is_read(bench: NodeBench, style: str) -> None:
    node = Solver.model_validate({"model": MODEL, "style": style, "temperature": 0.0, "max_output_tokens": 96})
    for task in generate("chains", 4, SEED, 2):
        message = bench.run(node, given(task)).message
        assert message.status is Status.OK
        assert len(message.answer) == 2
        assert message.answer.isdigit()


def test_a_sampled_answer_has_a_confidence(bench: NodeBench) -> None:
    node = Solver(model=MODEL, samples=4, vote="confidence", max_output_tokens=96)
    message = bench.run(node, given(one("chains", 3))).message
    assert message.status is Status.OK
    assert all(0 < (candidate.confidence or 0) <= 1 for candidate in message.candidates)


def test_a_composite_is_split_solved_and_merged(bench: NodeBench) -> None:
    task = one("composites", 3)
    split = bench.run(Decomposer(model=MODEL, max_output_tokens=96), given(task)).message
    assert split.status is Status.OK
    assert all(part.question.endswith("=") for part in split.parts)
    answers = tuple(Candidate("10", source=part.name) for part in split.parts)
    merged = bench.run(
        Merger(model=MODEL, max_output_tokens=96), given(task, split=split, solve=Message(candidates=answers))
    ).message
    assert merged.status is Status.OK
    assert merged.answer.isdigit()


def test_a_wrong_step_is_found(bench: NodeBench) -> None:
    task = Task(question="11+11+11=")
    wrong = Candidate("35", text="11+11=22+11=35")
    node = Verifier(model=MODEL, method="steps", max_output_tokens=8)
    message = bench.run(node, given(task, solve=Message(answer="35", candidates=(wrong,)))).message
    assert not message.accepted
    assert message.answer == "35"


def test_a_search_reads_the_corpus() -> None:
    passages = corpus("hops", SEED)
    index = PassageIndex(passages)
    bench = NodeBench(load_pocket_models(), resource=index)
    node = Search(model=MODEL, retriever=look_up, rounds=4, top_k=2, max_output_tokens=16)
    message = bench.run(node, given(one("hops", 2))).message
    assert message.evidence
    assert set(message.evidence) <= set(passages)
    index.close()


def test_a_puzzle_is_formalised_and_its_answer_satisfies_it(worker: SymbolicWorker) -> None:
    bench = NodeBench(load_pocket_models(), resource=worker)
    node = SymbolicSolver(model=MODEL, max_output_tokens=96)
    messages = [bench.run(node, given(task)).message for task in generate("puzzles", 5, SEED, 3)]
    solved = [message for message in messages if message.status is Status.OK]
    assert solved
    assert all(message.candidates[0].checked for message in solved)


@pytest.mark.parametrize(
    "node",
    [
        Solver(model=MODEL, samples=adaptive(2, 5), max_output_tokens=64),
        Decomposer(model=MODEL, max_output_tokens=64),
        Merger(model=MODEL, max_output_tokens=64),
        Verifier(model=MODEL, method="steps", max_output_tokens=16),
        Verifier(model=MODEL, method="score", max_output_tokens=16),
    ],
)
def test_the_worst_case_is_enough(bench: NodeBench, node: Node) -> None:
    task = one("composites", 4)
    parts = (Part("p1", "11+11="), Part("p2", "{p1}+22=", ("p1",)))
    split = Message(parts=parts, combine="{p1}-{p2}=")
    text = "11+11=22+11=33"
    solved = tuple(Candidate(str(n), text=text, source=f"p{n}") for n in range(1, 12))
    inputs = given(task, split=split, solve=Message(answer="33", text=text, candidates=solved))
    worst = bench.worst_case(node, inputs.ask(), Incoming([ANY_SIZE, replace(ANY_SIZE, combine=99)]))
    outcome = bench.run(node, inputs, limit=worst.tokens)
    assert outcome.message.status is not Status.BUDGET
    assert 0 < sum(bound.tokens for bound in outcome.bounds) <= worst.tokens
