from __future__ import annotations

import json
import re
from itertools import pairwise

import pytest

from apportion.errors import UnknownName, UsageError
from apportion.models.pocket.tokenizer import UNKNOWN, encode
from apportion.nodes.symbolic.answer import parse_answer
from apportion.nodes.symbolic.check import violations
from apportion.nodes.symbolic.schema import parse_problem
from apportion.records.task import Task
from apportion.tasks.families import FAMILIES, Share, corpus, generate, share_of
from apportion.tasks.families.base import PARTS
from apportion.tasks.families.chains import calculate

SHARES: tuple[Share, ...] = ("training", "dev", "demo")
EDGES = [(name, family.difficulties[i]) for name, family in FAMILIES.items() for i in (0, -1)]


@pytest.mark.parametrize(("family", "difficulty"), EDGES)
def test_the_same_seed_gives_the_same_questions_and_a_larger_count_continues(family: str, difficulty: int) -> None:
    few, many = generate(family, 5, 3, difficulty), generate(family, 12, 3, difficulty)

    assert many[:5] == few
    assert len({task.task_id for task in many}) == 12
    assert all(task.family == family and task.difficulty == difficulty and task.instructions for task in many)
    assert generate(family, 5, 4, difficulty) != few


def content(task: Task) -> str:
    """What decides the answer: the facts or the passage where there are any, else the question."""
    return " ".join(task.metadata.get("facts", ())) or "".join(task.context) or task.question


@pytest.mark.parametrize(("family", "difficulty"), EDGES)
def test_questions_of_different_shares_are_disjoint_by_hash(family: str, difficulty: int) -> None:
    contents = {share: {content(task) for task in generate(family, 40, 5, difficulty, part=share)} for share in SHARES}

    assert not contents["training"] & contents["dev"]
    assert not contents["dev"] & contents["demo"]
    if family not in ("hops", "adaptive_retrieval"):  # whose facts are drawn so that all from each on are of the share
        assert all(share_of(one) == share for share, some in contents.items() for one in some)


def test_the_shares_cover_every_hash_once() -> None:
    assert sorted(byte for part in PARTS.values() for byte in part) == list(range(256))


def question(task: Task) -> str:
    return "\n".join((*task.context, task.question))


@pytest.mark.parametrize(("family", "difficulty"), EDGES)
def test_every_question_is_within_the_pocket_vocabulary(family: str, difficulty: int) -> None:
    for text in (*(question(task) for task in generate(family, 10, 1, difficulty)), *corpus(family, 1)[:50]):
        assert UNKNOWN not in encode(text)


def left_to_right(expression: str) -> int:
    value, *rest = re.findall(r"[-+*]?[0-9]+", expression)
    total = int(value)
    for step in rest:
        total = calculate(total, step[0], int(step[1:]))
    return total


def test_the_gold_of_arithmetic_is_what_reading_the_question_gives() -> None:
    for difficulty in (1, 5, 12):
        for task in generate("chains", 20, 1, difficulty):
            assert len(re.findall(r"[-+*]", task.question)) == difficulty
            assert int(task.gold) == left_to_right(task.question.rstrip("="))
    for difficulty in (2, 6):
        for task in generate("composites", 20, 1, difficulty):
            flat = re.sub(r"\(([^)]*)\)", lambda group: f"{left_to_right(group[1]):02d}", task.question.rstrip("="))
            assert flat.count("+") + flat.count("-") == difficulty - 1
            assert int(task.gold) == left_to_right(flat)


def test_an_unknown_operator_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown operator '/'"):
        calculate(1, "/", 2)


@pytest.mark.parametrize("difficulty", [2, 5, 8])
def test_the_planted_solution_of_a_puzzle_satisfies_its_problem(difficulty: int) -> None:
    for task in generate("puzzles", 20, 1, difficulty):
        problem = parse_problem(json.dumps(task.metadata["problem"]))
        solution = parse_answer(problem, task.gold)
        assert solution is not None
        assert violations(problem, solution) == ()
        # One sentence for each constraint.
        assert len(problem.constraints) == task.question.count(";") + 1


def test_the_corpus_answers_a_hop_question_through_its_facts_and_the_question_hides_their_number() -> None:
    for difficulty in (1, 2, 3, 4):
        passages = set(corpus("hops", 7))
        for task in generate("hops", 20, 7, difficulty):
            facts = task.metadata["facts"]
            assert len(facts) == difficulty
            assert passages.issuperset(facts)
            assert facts[-1].endswith(f" in room {task.gold}.")
            for fact, following in pairwise(facts):
                assert fact.split()[-1] == following.split()[0] + "."
            assert re.fullmatch(r"Which room is [a-z]{4} in\?", task.question)
            assert facts[0].split()[0] in task.question


def test_the_corpus_has_distractors_that_share_words_with_the_facts() -> None:
    passages = corpus("hops", 7)
    facts = [fact for task in generate("hops", 50, 7, 2) for fact in task.metadata["facts"][:1]]

    for fact in facts:
        name = fact.split()[0]
        assert sum(name in passage for passage in passages) > 1
    assert corpus("chains", 7) == ()


def test_bad_arguments_name_the_remedy() -> None:
    with pytest.raises(UnknownName, match="did you mean 'puzzles'"):
        generate("puzzle", 1, 1, 2)
    with pytest.raises(UnknownName, match="unknown family 'hop'"):
        corpus("hop", 1)
    with pytest.raises(UsageError, match=r"operations\) runs 1 to 12"):
        generate("chains", 1, 1, 13)
    with pytest.raises(UsageError, match=r"has 100 different questions .* 101 were asked for"):
        generate("hops", 101, 1, 1)
    assert generate("chains", 0, 1, 1) == []
