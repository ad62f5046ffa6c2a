from __future__ import annotations

from apportion.graphs.result import confidence_of, reason_of
from apportion.records.message import Candidate, Message
from apportion.records.status import Status


def test_a_failed_run_always_says_why() -> None:
    assert reason_of(Message(answer="42"), "solve") == ""
    assert reason_of(Message(status=Status.TIMEOUT, reason="too slow"), "solve") == "too slow"
    assert reason_of(Message(status=Status.TIMEOUT), "solve") == "node 'solve' ended as timeout and gave no reason"


def test_the_confidence_is_that_of_the_first_candidate_with_the_answer() -> None:
    candidates = (Candidate("1", 0.2), Candidate("42", 0.7), Candidate("42", 0.9))
    assert confidence_of(Message(answer="42", candidates=candidates)) == 0.7
    assert confidence_of(Message(answer="3", candidates=candidates)) is None
