from __future__ import annotations

from apportion.graphs.parts import gathered, waves
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
