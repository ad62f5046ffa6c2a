from __future__ import annotations

import re
from collections import Counter

import pytest

from apportion.errors import UsageError
from apportion.records.task import Task
from apportion.tasks.families import corpus, generate

FACT = re.compile(r"([a-z]{4}) (?:stays|works) (?:with ([a-z]{4})|in room ([0-9]{2}))\.")


def placed(task: Task) -> str | None:
    """The room that the given passages lead to from the person asked about; None where they lead nowhere."""
    facts = {found[1]: (found[2], found[3]) for passage in task.context if (found := FACT.fullmatch(passage))}
    person = task.question.split()[3]
    for _ in facts:
        if person not in facts:
            return None
        person, room = facts[person]
        if room:
            return room
    return None


@pytest.mark.parametrize("hops", [0, 1, 2, 3])
def test_the_given_passages_answer_where_nothing_is_to_search_and_nowhere_else(hops: int) -> None:
    passages = set(corpus("adaptive_retrieval", 5))
    for task in generate("adaptive_retrieval", 40, 5, hops):
        assert placed(task) == (task.gold if hops == 0 else None)
        assert passages.issuperset(task.context)
        facts = task.metadata["facts"]
        assert passages.issuperset(facts)
        assert facts[-1].endswith(f"in room {task.gold}.")
        assert len(facts) == (hops or 4)
        assert set(facts).issubset(task.context) is (hops == 0)


def shape(task: Task) -> tuple[object, ...]:
    """What a reader sees who does not read who is placed."""
    person = task.question.split()[3]
    kinds = Counter(bool(FACT.fullmatch(passage)) for passage in task.context)
    named = sum(person in passage.split(".")[0].split() for passage in task.context)
    rooms = sum("room" in passage for passage in task.context)
    return re.sub("[a-z]{4} in", "X in", task.question), len(task.context), kinds[True], rooms, named


def test_no_word_and_no_count_tells_how_many_hops_it_takes() -> None:
    shapes = {hops: {shape(t) for t in generate("adaptive_retrieval", 60, 7, hops)} for hops in range(4)}
    assert shapes[0] == shapes[1] == shapes[2] == shapes[3] == {("Which room is X in?", 10, 8, 2, 2)}
    assert len({task.instructions for hops in range(4) for task in generate("adaptive_retrieval", 1, 7, hops)}) == 1


def test_what_is_searched_is_what_hops_searches_and_beyond_three_there_is_nothing() -> None:
    assert corpus("adaptive_retrieval", 5) == corpus("hops", 5)
    with pytest.raises(UsageError, match="hops to search; 0: the context answers"):
        generate("adaptive_retrieval", 1, 5, 4)
