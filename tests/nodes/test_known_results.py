from __future__ import annotations

from dataclasses import replace

from apportion.nodes.base import Inputs
from apportion.nodes.known_results import KnownResults
from apportion.records.message import Candidate, Message
from apportion.records.task import Task

TASK = Task(question="1+1=")
INPUTS = Inputs(TASK, TASK.question, {"a": Message(answer="2")})


def test_the_key_is_of_all_that_a_function_is_given() -> None:
    others = [
        replace(INPUTS, question="1+2="),
        replace(INPUTS, task=TASK.model_copy(update={"gold": "2"})),
        replace(INPUTS, messages={}),
        replace(INPUTS, messages={"b": Message(answer="2")}),
        replace(INPUTS, messages={"a": Message(answer="3")}),
        replace(INPUTS, messages={"a": Message(answer="2", data={"x": 1})}),
    ]
    assert len({KnownResults.key(inputs) for inputs in (INPUTS, *others)}) == 7
    assert KnownResults.key(replace(INPUTS, messages={"a": Message(answer="2")})) == KnownResults.key(INPUTS)
    assert KnownResults.key(replace(INPUTS, round=3)) == KnownResults.key(INPUTS)


def test_there_is_room_for_so_many_and_the_oldest_goes() -> None:
    known = KnownResults(16 * 1024 * 1024)
    for name in (b"a", b"b"):
        known.put(name, Message(answer=name.decode()))
    assert known.get(b"a") == Message(answer="a")
    known.put(b"c", Message())
    assert (len(known), known.get(b"b")) == (2, None)
    assert known.get(b"a") is not None
    assert KnownResults(10**12).get(b"a") is None


def test_small_results_have_a_bound_too() -> None:
    known = KnownResults(1)
    for number in range(10_100):
        known.put(str(number).encode(), Message())
    assert len(known) == 10_000


def test_each_has_values_of_its_own() -> None:
    known, given = KnownResults(1), Message(data={"a": [1]}, candidates=(Candidate("x", data=[1]),))
    known.put(b"a", given)
    for _ in range(3):
        given.data["a"].append(2)
        given.candidates[0].data.append(2)
        found = known.get(b"a")
        assert found is not None
        assert (found.data, found.candidates[0].data) == ({"a": [1]}, [1])
        given = found
