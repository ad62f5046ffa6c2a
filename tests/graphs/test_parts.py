from __future__ import annotations

import asyncio

from apportion.graphs.parts import answered, gathered, waves
from apportion.records.message import Candidate, Message, Part
from apportion.records.status import Status


def test_waves_are_topological_generations() -> None:
    parts = [Part("p3", "?", ("p1", "p2")), Part("p1", "?"), Part("p2", "?", ("p1",)), Part("p4", "?")]
    ordered, stuck = waves(parts)
    assert [[part.name for part in wave] for wave in ordered] == [["p1", "p4"], ["p2"], ["p3"]]
    assert stuck == []


def test_parts_that_can_never_run() -> None:
    parts = [Part("p1", "?", ("p2",)), Part("p2", "?", ("p1",)), Part("p3", "?", ("p9",)), Part("p4", "?")]
    ordered, stuck = waves(parts)
    assert [[part.name for part in wave] for wave in ordered] == [["p4"]]
    assert [part.name for part in stuck] == ["p1", "p2", "p3"]


def test_results_as_one_message() -> None:
    sure = Candidate("2", confidence=0.9, source="part")
    answers = {
        "p1": Message(answer="2", text="1 + 1", candidates=(sure,), evidence=("a", "b")),
        "p2": Message(status=Status.TIMEOUT, reason="too late"),
        "p3": Message(answer="3", evidence=("b",)),
    }
    message = gathered([Part(name, "?") for name in answers], answers)
    assert message.candidates == (
        Candidate("2", confidence=0.9, text="1 + 1", source="p1"),
        Candidate("", source="p2"),
        Candidate("3", source="p3"),
    )
    assert (message.status, message.reason, message.evidence) == (Status.TIMEOUT, "too late", ("a", "b"))


def test_a_wave_is_answered_at_once_with_the_answers_that_it_needs_and_no_part_beyond_the_limits() -> None:
    asked: list[str] = []

    async def answer(question: str) -> tuple[Message, float]:
        asked.append(question)
        return Message(status=Status.OK, answer=str(len(question))), 2.0

    parts = (
        Part("p1", "one"),
        Part("p2", "three"),
        Part("p3", "{p1} and {p2}", ("p1", "p2")),
        Part("p4", "x" * 100),
        Part("p5", "{p4}?", ("p4",)),
        Part("p6", "{p6}?", ("p6",)),
        Part("p7", "one too many"),
    )
    message, seconds = asyncio.run(
        answered(Message(parts=parts), "split", answer, most=6, most_bytes=40, base=1.0),
    )
    assert asked == ["one", "three", "3 and 5"]
    assert seconds == 5.0
    assert [candidate.text for candidate in message.candidates] == ["", "", "", "", "", ""]
    assert [candidate.answer for candidate in message.candidates] == ["3", "5", "7", "", "", ""]
    assert message.status is Status.OVERSIZE
    assert "p4" in message.reason
    none, seconds = asyncio.run(answered(Message(), "split", answer, most=6, most_bytes=40, base=1.0))
    assert (none.status, none.reason, seconds) == (Status.SKIPPED, "split made no parts", 1.0)
