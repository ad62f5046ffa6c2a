from __future__ import annotations

from apportion.models.delta import CallPiece, Delta, Given, deltas_of
from apportion.models.request import Reply
from apportion.models.tools import ToolCall
from apportion.records.usage import Usage


def test_a_whole_reply_as_a_stream() -> None:
    reply = Reply("four", "stop", None, reasoning="hm", tool_calls=(ToolCall("look", "{}", "c"), ToolCall("see", "")))
    assert list(deltas_of(reply)) == [
        Delta(reasoning="hm"),
        Delta(text="four"),
        Delta(calls=(CallPiece(0, "look", "{}", "c"),)),
        Delta(calls=(CallPiece(1, "see"),)),
    ]
    assert list(deltas_of(Reply("no", "refusal", None))) == [Delta(refusal="no")]
    assert list(deltas_of(Reply("", "stop", None))) == []


def test_what_says_nothing_to_a_reader() -> None:
    assert not Delta().says_something
    assert not Delta(usage=Usage(1, 1)).says_something
    assert Delta(calls=(CallPiece(0),)).says_something


def test_the_rest_of_a_reply_is_what_was_not_given() -> None:
    reply = Reply("four five", "stop", None, reasoning="hm", tool_calls=(ToolCall("look", "{}"),))
    given = Given()
    assert not given
    assert list(given.rest(reply)) == list(deltas_of(reply))
    given.add(Delta(text="four"))
    assert given
    assert list(given.rest(reply)) == [Delta(text=" five"), Delta(calls=(CallPiece(0, "look", "{}"),))]
    given.add(Delta(text=" five", calls=(CallPiece(0, "look"),)))
    assert list(given.rest(reply)) == []


def test_what_was_given_is_never_taken_back() -> None:
    given = Given()
    given.add(Delta(text="let me think</think>four"))
    assert list(given.rest(Reply("four", "stop", None, reasoning="let me think"))) == []
