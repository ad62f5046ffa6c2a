from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.errors import CallFailed, OtherModel
from apportion.models.card import ModelCard
from apportion.models.endpoint import Endpoint
from apportion.models.replicas import Replica, Replicas, most_named
from apportion.models.request import Reply
from apportion.records.status import Status
from apportion.records.usage import Usage


def group(size: int, **card: Any) -> Replicas:
    endpoints = [Endpoint(f"http://localhost:{port}/v1") for port in range(1, size + 1)]
    return Replicas(ModelCard(**{"name": "m", **card}), endpoints)


def chosen(replicas: Replicas, *busy: int, now: float = 0.0, most: int = 4) -> Replica:
    found = replicas.choose(now, 10, busy, most)
    assert found is not None
    return found


def failure(**fields: Any) -> CallFailed:
    return CallFailed(Status.PROVIDER_ERROR, "down", **{"billed": False, "retryable": True, **fields})


def fail(replicas: Replicas, replica: Replica, now: float, **fields: Any) -> CallFailed:
    failed = failure(**fields)
    replicas.failed(replica, replica.ejections, failed, now)
    return failed


def reply(model: str) -> Reply:
    return Reply("ok", "stop", Usage(3, 1), response_model=model)


def test_the_least_busy_comes_first_and_equals_take_turns() -> None:
    replicas = group(3)
    assert chosen(replicas, 1, 0, 2).place == 1
    assert [chosen(replicas, 1, 1, 1).place for _ in range(4)] == [0, 2, 1, 0]
    assert replicas.choose(0.0, 10, [4, 4, 4], 4) is None


def test_one_whose_pace_has_room_comes_before_one_that_is_less_busy() -> None:
    replicas = group(2, tokens_per_minute=10)
    first = chosen(replicas, 0, 0)
    first.pace.book(0.0, 10)
    assert chosen(replicas, 0, 3).place == 1 - first.place


def test_one_that_fails_is_left_out_and_the_call_goes_elsewhere_at_once() -> None:
    replicas = group(2)
    failed = fail(replicas, chosen(replicas, 0, 1), 0.0, retryable=False, elsewhere=True)
    assert failed.retryable
    assert failed.at_once
    assert replicas.states == ("ejected", "admitted")
    assert all(chosen(replicas, 0, 3).place == 1 for _ in range(3))


def test_waits_double_up_to_a_minute_and_a_success_ends_them() -> None:
    replicas = group(2)
    replica, now, waits = chosen(replicas, 0, 1), 0.0, []
    for _ in range(9):
        fail(replicas, replica, now)
        waits.append(replica.back_at - now)
        now = replica.back_at
        assert replicas.due(now - 0.001) is None
        assert replicas.due(now) is replica
        assert replicas.due(now) is None  # one probe at a time
        replicas.probed(replica, True, now)
        assert replica.state == "trial"
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert replicas.choose(now, 10, [1, 4], 4) is None  # one call at a time tries it
    assert chosen(replicas, 0, 1, now=now) is replica
    replicas.answered(replica, replica.ejections, reply("m"))
    assert replica.state == "admitted"
    fail(replicas, replica, now)
    assert replica.back_at - now == 1


def test_a_probe_that_is_not_answered_makes_the_wait_longer_and_one_that_was_stopped_does_not() -> None:
    replicas = group(2)
    replica = chosen(replicas, 0, 1)
    fail(replicas, replica, 0.0)
    assert replicas.due(1.0) is replica
    replicas.probed(replica, None, 1.0)
    assert replicas.due(1.0) is replica
    replicas.probed(replica, False, 1.0)
    assert replica.back_at == 3.0


def test_an_endpoint_may_ask_for_a_longer_wait_but_not_for_more_than_a_minute() -> None:
    replicas = group(3)
    first = chosen(replicas, 0, 1, 1)
    fail(replicas, first, 0.0, retry_after=20.0)
    assert first.back_at == 20.0
    second = chosen(replicas, 9, 0, 1)
    fail(replicas, second, 0.0, retry_after=1e9)
    assert second.back_at == 60.0


def test_failures_of_calls_from_before_count_once() -> None:
    replicas = group(2)
    replica = chosen(replicas, 0, 1)
    before = replica.ejections
    for _ in range(5):
        replicas.failed(replica, before, failure(), 0.0)
    assert replica.failures == 1
    replicas.answered(replica, before, reply("m"))
    assert replica.state == "ejected"


def test_a_fault_of_the_request_ejects_nobody() -> None:
    replicas = group(2)
    failed = fail(replicas, chosen(replicas, 0, 1), 0.0, retryable=False)
    assert not failed.retryable
    assert not failed.at_once
    assert replicas.states == ("admitted", "admitted")


def test_where_all_are_ejected_the_first_to_come_back_is_asked_and_nobody_hurries() -> None:
    replicas = group(2)
    first = chosen(replicas, 0, 1)
    fail(replicas, first, 0.0)
    second = chosen(replicas, 0, 0)
    assert not fail(replicas, second, 0.5).at_once
    assert chosen(replicas, 0, 0, now=0.6) is first
    replicas.answered(first, first.ejections, reply("m"))
    assert first.state == "admitted"


def test_where_all_are_ejected_one_that_failed_once_comes_before_one_that_is_down() -> None:
    replicas = group(2)
    down, shaky = chosen(replicas, 0, 1), chosen(replicas, 1, 0)
    for _ in range(3):
        fail(replicas, down, 0.0)
    fail(replicas, shaky, 100.0)
    assert down.back_at < shaky.back_at
    assert chosen(replicas, 0, 0, now=100.0) is shaky


def test_a_trial_that_takes_long_holds_nobody_back() -> None:
    replicas = group(2)
    first, second = chosen(replicas, 0, 1), chosen(replicas, 1, 0)
    for each in (first, second):
        fail(replicas, each, 0.0)
    assert replicas.due(1.0) is first
    replicas.probed(first, True, 1.0)
    assert chosen(replicas, 0, 0, now=1.0) is first
    assert chosen(replicas, 1, 0, now=1.0) is second


def test_a_single_endpoint_is_never_ejected() -> None:
    replicas = group(1)
    only = chosen(replicas, 0)
    failed = fail(replicas, only, 0.0, retryable=False, elsewhere=True)
    assert not failed.retryable
    assert replicas.states == ("admitted",)
    replicas.answered(only, 0, reply("one"))
    replicas.answered(only, 0, reply("other"))


def test_one_that_answers_as_another_model_is_left_out_for_good() -> None:
    replicas = group(3)
    places = [chosen(replicas, *busy) for busy in ((0, 1, 1), (1, 0, 1), (1, 1, 0))]
    replicas.answered(places[0], 0, reply("Model-7B"))
    replicas.answered(places[1], 0, reply("model-7b:latest"))
    replicas.answered(places[2], 0, reply(""))
    with pytest.raises(
        OtherModel, match=r"field 'base_urls': http://localhost:3/v1 answers as 'x', .* as 'model-7b'"
    ) as e:
        replicas.answered(places[2], 0, reply("x"))
    assert e.value.retryable
    assert e.value.usage == Usage(3, 1)
    assert replicas.states == ("admitted", "admitted", "other")
    for now in (0.0, 1e6):
        assert replicas.due(now) is None
        assert all(chosen(replicas, 3, 3, 0, now=now).place != 2 for _ in range(3))


def test_of_two_the_one_that_the_card_names_is_right_whoever_answers_first() -> None:
    for served_as in ("a", "b"):
        replicas = group(2, served_as=served_as)
        first, second = chosen(replicas, 0, 1), chosen(replicas, 1, 0)
        replicas.answered(first, 0, reply("a"))
        if served_as == "b":
            replicas.answered(second, 0, reply("b"))
            assert replicas.states == ("other", "admitted")
        else:
            with pytest.raises(OtherModel):
                replicas.answered(second, 0, reply("b"))


def test_most_decide_even_after_the_fact() -> None:
    replicas = group(3, served_as="z")
    first, second, third = (chosen(replicas, *busy) for busy in ((0, 1, 1), (1, 0, 1), (1, 1, 0)))
    replicas.answered(first, 0, reply("x"))
    with pytest.raises(OtherModel):
        replicas.answered(second, 0, reply("y"))
    replicas.answered(third, 0, reply("y"))
    assert replicas.states == ("other", "admitted", "admitted")


def test_a_key_in_a_models_name_is_not_told() -> None:
    replicas = group(2)
    replicas.answered(chosen(replicas, 0, 1), 0, reply("m"))
    with pytest.raises(OtherModel) as caught:
        replicas.answered(
            chosen(replicas, 1, 0), 0, reply("sk-" + "proj-" + "CANARYabcdefghijklmnop0123456789\x1b[31m")
        )
    assert "CANARY" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_the_name_of_most_counts() -> None:
    assert most_named(["a", "b", "b"], "a") == "b"
    assert most_named(["a", "b"], "b") == "b"
    assert most_named(["a", "b"], "c") == "a"


@given(st.data())
def test_there_is_always_one_to_ask_and_never_more_calls_than_admitted(data: st.DataObject) -> None:
    replicas, now = group(3), 0.0
    running: list[tuple[Replica, int]] = []
    for _ in range(data.draw(st.integers(0, 40))):
        busy = [sum(r.place == place for r, _ in running) for place in range(3)]
        assert max(busy) <= 2
        match data.draw(st.sampled_from(("call", "fail", "answer", "wait", "probe"))):
            case "call":
                found = replicas.choose(now, 1, busy, 2)
                assert found is not None or any(busy)
                if found is not None:
                    running.append((found, found.ejections))
            case "fail" if running:
                replica, ejections = running.pop(data.draw(st.integers(0, len(running) - 1)))
                replicas.failed(replica, ejections, failure(), now)
            case "answer" if running:
                replica, ejections = running.pop(data.draw(st.integers(0, len(running) - 1)))
                replicas.answered(replica, ejections, reply("m"))
            case "wait":
                now += data.draw(st.floats(0, 70))
            case "probe":
                due = replicas.due(now)
                if due is not None:
                    replicas.probed(due, data.draw(st.sampled_from((True, False, None))), now)
