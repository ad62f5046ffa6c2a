from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest

from apportion import Gate, choose
from apportion.errors import GraphError, UnknownName
from apportion.graphs.gate import SIGNALS, gate_from_json
from apportion.records.message import Candidate, Message
from apportion.records.status import Status


def answer(confidence: float | None = None, **fields: Any) -> Message:
    return Message(answer="4", candidates=(Candidate("4", confidence, source="a", **fields),))


@pytest.mark.parametrize(
    ("gate", "message", "opens"),
    [
        (Gate("confidence", below=0.5), answer(0.4), True),
        (Gate("confidence", below=0.5), answer(0.5), False),
        (Gate("confidence", above=0.5), answer(0.6), True),
        (Gate("confidence", below=0.0), answer(None), True),
        (Gate("confidence", above=0.0), answer(None), False),
        (Gate("confidence", below=0.5), Message(status=Status.PARSE_ERROR), True),
        (Gate("least_logprob", below=-2), answer(least_logprob=-3.0), True),
        (Gate("least_logprob", below=-2), answer(least_logprob=0.0), False),
        (Gate("least_logprob", below=-2), answer(), True),
        (Gate("abstained"), Message(answer="unknown", abstained=True), True),
        (Gate("abstained"), answer(), False),
        (Gate("rejected"), Message(accepted=False), True),
        (Gate("rejected"), Message(), False),
        (Gate("failed"), Message(status=Status.TIMEOUT), True),
        (Gate("failed"), answer(), False),
        (Gate("rounds", above=2), Message(rounds=3), True),
        (Gate("rounds", above=2), Message(rounds=2), False),
        (Gate("rounds", below=1), Message(rounds=0), True),
        (Gate("rounds", below=1), Message(), False),
    ],
)
def test_a_gate_reads_the_message_that_would_pass(gate: Gate, message: Message, opens: bool) -> None:
    pinned = gate.pinned(gate.thresholds[0] if gate.thresholds else None)
    assert pinned.opens(pinned.read(message, 1.0)) is opens


@pytest.mark.parametrize("odd", ["0.9", True, nan, [0.9], 1j])
def test_what_a_function_gives_that_is_no_number_is_not_known(odd: Any) -> None:
    for message in (answer(odd), answer(least_logprob=odd), Message(rounds=odd)):
        for signal in ("confidence", "least_logprob", "rounds"):
            low = -1 if signal == "least_logprob" else 0.0
            below, above = Gate(signal, below=low).pinned(low), Gate(signal, above=low).pinned(low)
            if below.read(message, 1.0) == -inf:
                assert below.opens(below.read(message, 1.0))
                assert not above.opens(above.read(message, 1.0))
    assert Gate("confidence", below=0.1).pinned(0.1).read(answer(odd), 1.0) == -inf
    assert Gate("rounds", below=1).pinned(1.0).read(Message(rounds=odd), 1.0) == -inf


def test_a_value_that_is_not_known_opens_like_what_is_unsure() -> None:
    assert Gate("confidence", below=0.0).pinned(0.0).opens(None)
    assert not Gate("confidence", above=0.0).pinned(0.0).opens(None)
    assert Gate("confidence", above=0.0).pinned(None).opens(None)


@pytest.mark.parametrize("threshold", [-1, nan, inf, 10**400, True, "3"])
def test_rounds_are_counted_from_0(threshold: Any) -> None:
    with pytest.raises(GraphError, match=r"Gate\('rounds'\) must be a number from 0 to 10000"):
        Gate("rounds", above=threshold)


@pytest.mark.parametrize(
    ("answers", "share"),
    [
        ([("a", "4"), ("b", "4.0"), ("c", "5")], 2 / 3),
        ([("a", "4"), ("a", "5"), ("b", "4")], 1.0),
        ([("a", "4"), ("b", " "), ("c", "5")], 0.5),
        ([], 0.0),
    ],
)
def test_agreement_is_among_different_nodes(answers: list[tuple[str, str]], share: float) -> None:
    message = Message(candidates=tuple(Candidate(text, source=source) for source, text in answers))
    assert Gate("agreement", below=0.5).pinned(0.5).read(message, 1.0) == pytest.approx(share)


def test_what_is_left_is_told() -> None:
    gate = Gate("left_share", above=0.25).pinned(0.25)
    assert gate.reads_left
    assert gate.opens(gate.read(Message(), 0.3))
    assert not gate.opens(gate.read(Message(), 0.2))


def test_always_open_is_one_of_every_choice() -> None:
    gate = Gate("confidence", below=choose(0.5, 0.8))
    assert gate.thresholds == (0.5, 0.8, None)
    assert gate.pinned(None).opens(1.0)
    assert Gate("confidence", below=choose(None, 0.5)).thresholds == (0.5, None)
    assert Gate("confidence", below=0.5).thresholds == (0.5,)


@pytest.mark.parametrize("signal", SIGNALS)
def test_json_gives_the_same_gate(signal: str) -> None:
    told = signal in ("abstained", "rejected", "failed")
    low, high = (-3, -1) if signal == "least_logprob" else (0.1, 0.9)
    for gate in [Gate(signal)] if told else [Gate(signal, below=high), Gate(signal, above=choose(low, high))]:
        assert gate_from_json(gate.to_json()) == gate


def test_an_unknown_signal_is_named_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="'confidence'"):
        Gate("confidense", below=0.5)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"below": 1, "above": 2},
        {"below": nan},
        {"above": inf},
        {"below": "0.5"},
        {"below": True},
        {"below": 80},
        {"above": -0.1},
        {"below": 10**400},
    ],
)
def test_a_measured_signal_needs_one_threshold(fields: dict[str, Any]) -> None:
    with pytest.raises(GraphError, match="Gate\\('confidence'\\)"):
        Gate("confidence", **fields)


@pytest.mark.parametrize("below", [0.5, -inf, nan])
def test_a_logarithm_of_a_probability_is_not_above_0(below: float) -> None:
    with pytest.raises(GraphError, match="at most 0, a natural logarithm"):
        Gate("least_logprob", below=below)


def test_a_signal_that_is_told_takes_no_threshold() -> None:
    with pytest.raises(GraphError, match="takes no threshold; leave out 'below'"):
        Gate("abstained", below=0.5)


@pytest.mark.parametrize(
    "data", [3, {}, {"signal": "failed", "when": 1}, {"signal": "confidence", "below": {"choose": []}}]
)
def test_json_that_is_no_gate_is_refused(data: Any) -> None:
    with pytest.raises(GraphError, match="gate"):
        gate_from_json(data)
