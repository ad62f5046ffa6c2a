from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from apportion import Judge, Prompt, Task
from apportion.errors import BudgetBreach, CallFailed, CapReached
from apportion.records.status import Status
from apportion.tasks.judge import JudgeRequest
from apportion.tasks.verdict import JudgeReply, Verdict, verdict_on

TASK = Task(question="?")


@dataclass(frozen=True)
class Said:
    text: str
    finish_reason: str = "stop"


@dataclass
class Calls:
    """Replies by draw, and what was said of reading them."""

    script: Callable[[int], Said]
    asked: list[JudgeRequest] = field(default_factory=list)
    read: list[tuple[str, Status, str]] = field(default_factory=list)

    async def ask(self, request: JudgeRequest) -> Said:
        self.asked.append(request)
        await asyncio.sleep(0)
        return self.script(request.draw)

    def read_as(self, reply: JudgeReply, status: Status, reason: str) -> None:
        self.read.append((reply.text, status, reason))


def verdict(calls: Calls, *, votes: int = 1, answer: str = "42", **ways: bool) -> Verdict:
    judge = Judge("grader", Prompt("{answer}"), votes=votes)
    return asyncio.run(verdict_on(judge, TASK, answer, calls, **ways))


def test_a_verdict_is_the_mean_of_the_marks_of_all_draws() -> None:
    calls = Calls(lambda draw: Said(f"Score: {3 * draw}"))
    assert verdict(calls, votes=3) == Verdict((0.0, 3.0, 6.0), 0.3, Status.OK)
    assert [request.draw for request in calls.asked] == [0, 1, 2]
    assert calls.read == []


def test_what_cannot_be_read_is_counted_and_the_others_make_the_verdict() -> None:
    calls = Calls(lambda draw: Said("Score: 12" if draw == 1 else "Score: 8"))
    found = verdict(calls, votes=3)
    assert (found.marks, found.score, found.status) == ((8.0, 8.0), 0.8, Status.OK)
    assert "'12' lies outside the scale" in found.reason
    assert calls.read == [("Score: 12", Status.PARSE_ERROR, found.reason)]


@pytest.mark.parametrize(
    ("said", "status", "reason"),
    [
        (Said("It is fine."), Status.PARSE_ERROR, "no mark from 0 to 10"),
        (Said("Score: 11"), Status.PARSE_ERROR, "outside the scale"),
        (Said("Score: 1", "length"), Status.STARVED, "cut off at 256 tokens"),
        (Said("", "length"), Status.STARVED, "cut off"),
        (Said("Score: 5", "content_filter"), Status.FILTERED, "content_filter"),
        (Said("I cannot grade that.", "refusal"), Status.REFUSED, "refusal"),
    ],
)
def test_a_verdict_that_fails_has_no_score_and_says_why(said: Said, status: Status, reason: str) -> None:
    found = verdict(Calls(lambda draw: said))
    assert (found.marks, found.score, found.status) == ((), None, status)
    assert reason in found.reason


def test_a_call_that_fails_is_a_status_and_not_a_mark() -> None:
    def script(draw: int) -> Said:
        raise CallFailed(Status.TIMEOUT, "too slow")

    found = verdict(Calls(script), votes=2)
    assert (found.score, found.status, found.reason) == (None, Status.TIMEOUT, "too slow")


def test_a_cap_is_told_once_every_draw_has_ended() -> None:
    ended: list[int] = []

    def script(draw: int) -> Said:
        if draw == 0:
            raise CapReached("study", 5, 1)
        ended.append(draw)
        return Said("Score: 5")

    with pytest.raises(CapReached):
        verdict(Calls(script), votes=4)
    assert ended == [1, 2, 3]


def test_a_breach_outweighs_a_cap() -> None:
    def script(draw: int) -> Said:
        raise BudgetBreach("grader", 1, 2) if draw else CapReached("study", 5, 1)

    with pytest.raises(BudgetBreach):
        verdict(Calls(script), votes=2)


@pytest.mark.parametrize("answer", ["", " \n\t"])
def test_nobody_is_asked_of_no_answer(answer: str) -> None:
    calls = Calls(lambda draw: Said("Score: 10"))
    assert verdict(calls, answer=answer) == Verdict((), 0.0, Status.OK)
    assert calls.asked == []


def test_again_and_in_reverse_are_other_requests() -> None:
    calls = Calls(lambda draw: Said("Score: 5"))
    verdict(calls)
    verdict(calls, again=True)
    verdict(calls, reverse=True)
    assert len({(request.turns, request.draw, request.temperature) for request in calls.asked}) == 3
