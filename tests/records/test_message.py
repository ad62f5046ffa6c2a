from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.records import CANDIDATES, Candidate, Forward, Message
from apportion.records.text import longest_bytes

TEXT = st.text(max_size=3000)
MESSAGES = st.builds(
    Message,
    answer=TEXT,
    text=TEXT,
    candidates=st.lists(st.builds(Candidate, answer=TEXT, text=TEXT), max_size=20).map(tuple),
    evidence=st.lists(TEXT, max_size=6).map(tuple),
)


def size(message: Message) -> int:
    texts = [message.answer, message.text, *message.evidence]
    texts += [text for candidate in message.candidates for text in (candidate.answer, candidate.text)]
    return sum(map(longest_bytes, texts))


@given(MESSAGES, st.sampled_from(list(Forward)))
def test_no_more_passes_an_edge_than_its_policy_says(message: Message, policy: Forward) -> None:
    forwarded = message.forwarded(policy)
    assert size(forwarded) <= policy.limit
    assert len(forwarded.candidates) <= CANDIDATES


def test_a_short_message_passes_in_full() -> None:
    message = Message(answer="4", text="2+2=4", candidates=(Candidate("4", text="because"),), evidence=("fact",))
    assert message.forwarded(Forward.FULL) == message
    assert message.forwarded(Forward.TRUNCATED) == message


def test_the_answer_policy_leaves_reasoning_behind() -> None:
    message = Message(answer="4", text="2+2=4", candidates=(Candidate("4", 0.9, text="because"),), evidence=("fact",))
    forwarded = message.forwarded(Forward.ANSWER)
    assert forwarded == Message(answer="4", candidates=(Candidate("4", 0.9),))


def test_evidence_comes_before_reasoning_where_room_is_short() -> None:
    message = Message(answer="4", text="t" * 5000, evidence=("e" * 2000,))
    forwarded = message.forwarded(Forward.TRUNCATED)
    assert forwarded.evidence == ("e" * 2000,)
    assert forwarded.text == "t" * 47


@pytest.mark.parametrize("policy", list(Forward))
def test_the_limit_of_a_policy_is_known_before_anything_runs(policy: Forward) -> None:
    assert 0 < policy.limit <= Forward.FULL.limit
