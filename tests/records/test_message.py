from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from apportion.records import Candidate, Forward, Message, MessageSize, Status
from apportion.records.text import longest_bytes

TEXT = st.text(max_size=3000)
MESSAGES = st.builds(
    Message,
    answer=TEXT,
    text=TEXT,
    candidates=st.lists(st.builds(Candidate, answer=TEXT, text=TEXT), max_size=20).map(tuple),
    evidence=st.lists(TEXT, max_size=6).map(tuple),
)


@given(MESSAGES, st.sampled_from(sorted(set(Forward) - {Forward.NONE})))
def test_an_answer_passes_whole_or_not_at_all(message: Message, policy: Forward) -> None:
    size = MessageSize(answer=1000, text=2000, candidates=8, evidence=4000)
    forwarded = message.forwarded(policy, size)
    if forwarded.status is Status.OVERSIZE:
        assert forwarded.reason
        assert not forwarded.answer
        return
    assert forwarded.answer == message.answer
    assert [c.answer for c in forwarded.candidates] == [c.answer for c in message.candidates]
    behind = size.through(policy)
    assert longest_bytes(forwarded.answer) <= behind.answer
    assert longest_bytes(forwarded.text) <= behind.text
    assert sum(map(longest_bytes, forwarded.evidence)) <= behind.evidence
    assert len(forwarded.candidates) <= behind.candidates


@given(MESSAGES)
def test_only_what_is_too_large_is_refused(message: Message) -> None:
    fits = size_of(message)
    assert message.forwarded(Forward.FULL, fits) == message
    if message.answer:
        tight = replace(fits, answer=max(map(longest_bytes, answers(message))) - 1)
        assert message.forwarded(Forward.FULL, tight).status is Status.OVERSIZE


def answers(message: Message) -> list[str]:
    return [message.answer, *(candidate.answer for candidate in message.candidates)]


def size_of(message: Message) -> MessageSize:
    texts = [message.text, *(candidate.text for candidate in message.candidates)]
    return MessageSize(
        answer=max(map(longest_bytes, answers(message))),
        text=max(map(longest_bytes, texts)),
        candidates=len(message.candidates),
        evidence=sum(map(longest_bytes, message.evidence)),
    )


def test_the_reason_says_what_is_too_large() -> None:
    message = Message(answer="x" * 600)
    assert message.forwarded(Forward.FULL, MessageSize(answer=512, text=512)).reason == (
        "its answer has 600, the edge carries 512"
    )
    many = Message(answer="1", candidates=tuple(Candidate(str(n)) for n in range(3)))
    assert "3 candidates" in many.forwarded(Forward.FULL, MessageSize(answer=9, text=9, candidates=2)).reason


def test_a_long_answer_passes_whole_where_nothing_is_known_of_its_writer() -> None:
    message = Message(answer="x" * 1500)
    assert all(message.forwarded(policy) == message for policy in set(Forward) - {Forward.NONE})
    assert Message(answer="x" * 9000).forwarded(Forward.FULL).status is Status.OVERSIZE
    assert "in all" in Message(answer="x" * 5000, text="y" * 5000).forwarded(Forward.FULL).reason


def test_a_short_message_passes_in_full() -> None:
    message = Message(answer="4", text="2+2=4", candidates=(Candidate("4", text="because"),), evidence=("fact",))
    assert message.forwarded(Forward.FULL) == message
    assert message.forwarded(Forward.TRUNCATED) == message


def test_the_answer_policy_leaves_reasoning_behind() -> None:
    message = Message(answer="4", text="2+2=4", candidates=(Candidate("4", 0.9, text="because"),), evidence=("fact",))
    forwarded = message.forwarded(Forward.ANSWER)
    assert forwarded == Message(answer="4", candidates=(Candidate("4", 0.9),))


def test_texts_and_evidence_may_be_cut_to_a_quarter() -> None:
    message = Message(answer="a" * 100, text="t" * 1000, evidence=("e" * 300, "f" * 1000))
    forwarded = message.forwarded(Forward.TRUNCATED, MessageSize(answer=100, text=1000, evidence=1600))
    assert forwarded == Message(answer="a" * 100, text="t" * 250, evidence=("e" * 300, "f" * 100))


@given(
    st.builds(
        MessageSize,
        answer=st.integers(0, 999),
        text=st.integers(0, 999),
        candidates=st.integers(0, 9),
        evidence=st.integers(0, 999),
    )
)
def test_no_policy_lets_more_through_than_full(size: MessageSize) -> None:
    assert all(size.through(policy).total <= size.through(Forward.FULL).total for policy in Forward)
    assert size.through(Forward.ANSWER).total <= size.answers


def test_the_value_of_an_answer_travels_with_it_and_does_not_keep_it_from_being_hashed() -> None:
    message = Message(answer='{"a":1}', text="x" * 400, data={"a": 1})
    for policy in set(Forward) - {Forward.NONE}:
        assert message.forwarded(policy).data == {"a": 1}
    assert message.forwarded(Forward.FULL, MessageSize(answer=1, text=400)).data is None
    assert hash(message) == hash(Message(answer='{"a":1}', text="x" * 400))
    assert message != Message(answer='{"a":1}', text="x" * 400)


def test_the_value_and_the_form_travel_with_an_answer() -> None:
    message = Message(answer="[1]", candidates=(Candidate("2", form="2"), Candidate("[1]", form="[1]")), data=[1])
    for policy in set(Forward) - {Forward.NONE}:
        carried = message.forwarded(policy, MessageSize(answer=100, text=0, candidates=2))
        assert (carried.data, carried.form, carried.candidates[1].form) == ([1], "[1]", "[1]")
    assert Message(answer="x", candidates=(Candidate("x"),)).form == ""
    assert Candidate("[1]", data=[1]) == Candidate("[1]")


def test_an_edge_of_nothing_carries_nothing() -> None:
    message = Message(
        status=Status.TIMEOUT, answer="4", candidates=(Candidate("4"),), evidence=("fact",), reason="late"
    )
    assert message.forwarded(Forward.NONE) == Message()
    assert MessageSize(answer=9, text=9, evidence=9).through(Forward.NONE).total == 0
