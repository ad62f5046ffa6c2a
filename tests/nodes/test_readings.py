from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from apportion.budgets.ledger import Ledger
from apportion.budgets.memory import MemoryLedger
from apportion.errors import BudgetBreach, CallFailed
from apportion.models.metered import Meter, MeteredCaller
from apportion.models.pool import Pool
from apportion.models.request import ChatMessage, Reply, Request
from apportion.nodes.readings import Reading, Unfit, most_informed, read_all
from apportion.records.status import Status
from apportion.records.usage import Usage
from apportion.testing.node import BenchContext, NoReplies
from apportion.testing.scripted import ScriptedModel


def starts_with_a(text: str) -> str | None:
    return text if text.startswith("A") else None


def read_samples(
    script: Callable[[Request], str | Reply], samples: int, reader: Callable[[str], str | None] = starts_with_a
) -> list[Reading[str]]:
    ledger = Ledger(MemoryLedger(), "test")
    ledger.open("task")
    caller = MeteredCaller(Pool([ScriptedModel(script)]), ledger, NoReplies())
    context = BenchContext("node", None, caller, Meter("task", "run", "span"))
    request = Request("scripted", (ChatMessage("user", "?"),), 20, 0.7)
    requests = [request.with_sample(number) for number in range(samples)]
    return asyncio.run(read_all(requests, context, reader))


def test_readings_come_in_the_order_of_the_requests() -> None:
    readings = read_samples(lambda request: f"A{request.sample}", 5)
    assert [reading.value for reading in readings] == ["A0", "A1", "A2", "A3", "A4"]


def test_each_failure_has_its_own_status() -> None:
    def script(request: Request) -> str | Reply:
        if request.sample == 0:
            raise CallFailed(Status.REFUSED, "no")
        said: list[str | Reply] = [Reply("", "length", None), Reply("A", "content_filter", None), "B", "A fine"]
        return said[request.sample - 1]

    statuses = [reading.status for reading in read_samples(script, 5)]
    assert statuses == [Status.REFUSED, Status.STARVED, Status.FILTERED, Status.PARSE_ERROR, Status.OK]


def test_a_breach_ends_everything_unwrapped() -> None:
    def script(request: Request) -> Reply:
        return Reply("A", "stop", Usage(10_000 if request.sample == 1 else 1, 1))

    with pytest.raises(BudgetBreach):
        read_samples(script, 3)


def test_halves_of_surrogate_pairs_do_not_get_through() -> None:
    [reading] = read_samples(lambda request: Reply("A\ud83d", "stop", Usage(1, 1)), 1)
    assert reading.value == "A\ufffd"


def test_a_reader_that_finds_nothing_between_the_marks_found_nothing() -> None:
    [reading] = read_samples(lambda request: "A", 1, lambda text: "")
    assert (reading.value, reading.status) == (None, Status.PARSE_ERROR)


def test_a_log_probability_is_a_confidence() -> None:
    sure = Reading("A", reply=Reply("A", "stop", None, mean_logprob=0.0))
    unsure = Reading("A", reply=Reply("A", "stop", None, mean_logprob=-0.7))
    assert (sure.confidence, Reading("A").confidence) == (1.0, None)
    assert unsure.confidence == pytest.approx(0.4966, abs=1e-4)


def test_the_failure_that_says_most_about_the_question() -> None:
    failures = [(Status.BUDGET, "cap"), (Status.PARSE_ERROR, "first"), (Status.PARSE_ERROR, "second"), (Status.OK, "")]
    assert most_informed(failures) == (Status.PARSE_ERROR, "first")
    assert most_informed([])[0] is Status.SKIPPED
    assert all(most_informed([(status, "x")])[0] is status for status in Status if status.failed)


def test_what_came_of_a_reply_is_said_of_its_own_call() -> None:
    shared = Reply("B", "stop", None, note="odd")
    ledger = Ledger(MemoryLedger(), "test")
    ledger.open("task")
    said: list[str | Reply] = ["A", shared, "C", Reply("A", "content_filter", None)]
    model = ScriptedModel(lambda request: said[request.sample])
    meter = Meter("task", "run", "span")
    context = BenchContext("node", None, MeteredCaller(Pool([model]), ledger, NoReplies()), meter)
    request = Request("scripted", (ChatMessage("user", "?"),), 20, 0.7)
    asyncio.run(read_all([request.with_sample(number) for number in range(4)], context, starts_with_a))
    rows = {row.sample_index: row for row, _ in meter.booked}
    outcomes = [rows[number].outcome for number in range(4)]
    assert outcomes == [Status.OK, Status.PARSE_ERROR, Status.PARSE_ERROR, Status.FILTERED]
    assert rows[0].error == ""
    assert rows[1].error == "no answer could be read from the reply of 'scripted': 'B'; odd"
    assert "'C'" in rows[2].error
    assert [status for status, _ in context.failed_readings] == outcomes[1:]


def test_a_reply_that_was_cut_is_starved_unless_its_node_goes_on_from_it() -> None:
    for goes_on, outcome in ((False, Status.STARVED), (True, Status.OK)):
        ledger = Ledger(MemoryLedger(), "test")
        ledger.open("task")
        model = ScriptedModel(lambda request: Reply("" if request.sample else "so", "length", None))
        meter = Meter("task", "run", "span")
        context = BenchContext("node", None, MeteredCaller(Pool([model]), ledger, NoReplies()), meter)
        request = Request("scripted", (ChatMessage("user", "?"),), 20, 0.7)
        requests = [request, request.with_sample(1)]
        readings = asyncio.run(read_all(requests, context, starts_with_a, goes_on=goes_on))
        assert [reading.status for reading in readings] == [Status.STARVED] * 2
        assert [row.outcome for row, _ in meter.booked] == [outcome] * 2


def test_reasoning_without_an_answer_is_starved_where_it_was_cut_off_and_named_where_it_ended() -> None:
    thought = "<think>Perhaps\nA fine\nno"
    used = Usage(1, 20)
    said = (Reply(thought, "length", used), Reply(thought, "stop", used), Reply("", "stop", used, reasoning="A fine"))
    readings = read_samples(lambda request: said[request.sample], 3)
    assert [reading.status for reading in readings] == [Status.STARVED, Status.PARSE_ERROR, Status.PARSE_ERROR]
    assert all("holds reasoning and no answer" in reading.reason for reading in readings[1:])


def test_a_reply_that_was_cut_off_is_read_as_such() -> None:
    ledger = Ledger(MemoryLedger(), "test")
    ledger.open("task")
    said = (Reply("A", "length", None), Reply("A", "stop", None))
    caller = MeteredCaller(Pool([ScriptedModel(lambda request: said[request.sample])]), ledger, NoReplies())
    context = BenchContext("node", None, caller, Meter("task", "run", "span"))
    requests = [Request("scripted", (ChatMessage("user", "?"),), 20, 0.7).with_sample(n) for n in range(2)]
    readings = asyncio.run(read_all(requests, context, starts_with_a, cut=lambda text: None))
    assert [(reading.value, reading.status) for reading in readings] == [(None, Status.STARVED), ("A", Status.OK)]


def test_a_reader_may_say_what_a_reply_lacks() -> None:
    def unfit(text: str) -> str:
        raise Unfit(f"no {text}")

    sent = (Reply("x", "stop", None), Reply("x", "length", None))
    found = read_samples(lambda request: sent[request.sample], 2, unfit)
    assert [(reading.status, reading.problem) for reading in found] == [
        (Status.PARSE_ERROR, "no x"),
        (Status.STARVED, ""),
    ]
    assert "cannot be used: no x" in found[0].reason
