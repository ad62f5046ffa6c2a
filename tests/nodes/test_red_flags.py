"""What discards a sample: the package's own signs, and functions of the user's, which may do anything."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from apportion.errors import CallFailed, GraphError, UnknownName, UsageError
from apportion.graphs.graph import Graph
from apportion.nodes import Solver, node_from_json, red_flags
from apportion.nodes.red_flags import Sample, flagged, hedged, too_long, unread
from apportion.records.status import Status

GOOD = Sample("What is 40+2?", "Answer: 42", "42", tokens=10)


def shouts(sample: Sample) -> str:
    """A flag of a user's own."""
    return "it shouts" if sample.text.isupper() else ""


async def waits(sample: Sample) -> str:
    await asyncio.sleep(0)
    return f"of {sample.question}"


def flag(*flags: Any, sample: Sample = GOOD) -> str:
    node = Solver(red_flags=flags)
    return asyncio.run(flagged(node.red_flags, sample))


def test_a_reply_at_its_cap_or_beyond_a_number_of_tokens_is_too_long() -> None:
    assert not too_long(GOOD)
    assert too_long(Sample("", "", "42", capped=True))
    assert [bool(too_long(GOOD, number)) for number in (9, 10, 11)] == [True, False, False]
    assert not too_long(Sample("", "", "42", tokens=None), 1)
    assert flag("too_long_9") == "too_long_9: a reply of 10 tokens"
    assert flag("too_long", "too_long_10") == ""


def test_what_has_no_answer_is_unread() -> None:
    assert unread(Sample("", "hm", None))
    assert not unread(GOOD)


@pytest.mark.parametrize(
    "answer",
    [
        "probably 7",
        "I think it is 7",
        "7, maybe",
        "7 or so",
        "7 (not sure)",
        "Perhaps Ann",
        "It depends.",
        "PROBABLY 7",
    ],
)
def test_an_answer_that_takes_itself_back_is_hedged(answer: str) -> None:
    assert hedged(Sample("", answer, answer))


@pytest.mark.parametrize("answer", ["7", "May 5", "Mayberry", "the thinker", "sure", "a guess", "could", "{}", "\n"])
def test_an_answer_that_stands_by_itself_is_not_hedged(answer: str) -> None:
    assert not hedged(Sample("", answer, answer))


def test_who_abstains_hedges_and_who_says_nothing_cannot() -> None:
    assert hedged(Sample("", "I don't know", "I don't know", abstained=True))
    assert not hedged(Sample("", "maybe", None))


def test_functions_of_the_users_own_say_what_is_wrong() -> None:
    assert flag(shouts) == ""
    assert flag(shouts, sample=Sample("", "NO", "no")).endswith("shouts: it shouts")
    assert flag(f"{__name__}:shouts", sample=Sample("", "NO", "no")).endswith("shouts: it shouts")
    assert flag(waits).endswith("waits: of What is 40+2?")
    assert flag(lambda sample: True).endswith("the sample trips it")
    assert flag(lambda sample: None, lambda sample: False, lambda sample: " ") == ""
    said = flag(lambda sample: "long \ud800" * 900)
    assert len(said.encode()) <= 200


def _raise(sample: Sample) -> str:
    raise ZeroDivisionError("planted")


def _exit(sample: Sample) -> str:
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (_raise, r"_raise' failed: ZeroDivisionError: planted"),
        (_exit, "failed: SystemExit: 3"),
        (lambda sample: 7, "returned int; return a str"),
        (lambda sample: ["no"], "returned list; return a str"),
        (lambda: "no argument", "failed: TypeError"),
    ],
)
def test_one_that_fails_is_a_status_and_names_itself(function: Callable[..., Any], said: str) -> None:
    with pytest.raises(CallFailed, match=said) as failed:
        flag(function)
    assert failed.value.status is Status.TOOL_ERROR


def test_one_that_never_ends_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(red_flags, "_SECONDS", 0.05)
    with pytest.raises(CallFailed, match="was not done within") as failed:
        flag(lambda sample: time.sleep(2))
    assert failed.value.status is Status.TIMEOUT


def test_names_are_checked_when_the_node_is_made() -> None:
    with pytest.raises(UnknownName, match="unknown red flag 'unred'; did you mean 'unread'"):
        Solver(red_flags=("unred",))
    with pytest.raises(UsageError, match="too_long_K, with K a whole number"):
        Solver(red_flags=("too_long_0",))
    with pytest.raises(GraphError, match="name a red flag"):
        Solver.model_validate({"red_flags": (3,)})
    with pytest.raises(GraphError, match="at most 16"):
        Solver(red_flags=("unread",) * 17)


def test_flags_survive_json_and_a_file_names_no_module_that_is_not_admitted() -> None:
    node = Solver(red_flags=("unread", "too_long_750", shouts))
    data = node.canonical()
    assert data["red_flags"] == ["unread", "too_long_750", {"import": f"{__name__}:shouts"}]
    assert node_from_json(data, allow=(__name__,)) == node
    with pytest.raises(UsageError, match="--allow"):
        node_from_json(data)
    assert node_from_json(Solver(red_flags=("unread", hedged)).canonical())
    with pytest.raises(UsageError, match="red flag 'subprocess:call'"):
        node_from_json(Solver().canonical() | {"red_flags": ["subprocess:call"]})
    assert Graph("one").add("solve", node).blueprint.modules == (__name__.partition(":")[0],)


def test_a_lambda_runs_and_cannot_be_written_to_a_file() -> None:
    with pytest.raises(GraphError, match=r"its red_flags\[1\] .* cannot be found again by a name"):
        Graph("one").add("solve", Solver(red_flags=("unread", lambda sample: ""))).to_json()
