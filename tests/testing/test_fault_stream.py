from __future__ import annotations

import pytest

from apportion.testing.fault_stream import Streaming, events_of

USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
MESSAGE = {"role": "assistant", "content": "four five", "reasoning_content": "hm"}
COMPLETION = {"id": "c", "choices": [{"message": MESSAGE, "finish_reason": "stop"}], "usage": USAGE}


def test_the_pieces_are_the_message() -> None:
    events = list(events_of(COMPLETION, Streaming(piece=2)))
    deltas = [choice["delta"] for event in events for choice in event["choices"]]
    for name in ("content", "reasoning_content"):
        assert "".join(delta.get(name) or "" for delta in deltas) == MESSAGE[name]
    assert events[-2]["choices"][0]["finish_reason"] == "stop"
    assert events[-1]["usage"] == USAGE
    assert "usage" not in list(events_of(COMPLETION, Streaming(), usage_asked=False))[-1]


@pytest.mark.parametrize(("usage", "events_with"), [("end", 1), ("early", 1), ("each", 6), ("never", 0)])
def test_where_the_usage_stands(usage: str, events_with: int) -> None:
    events = list(events_of(COMPLETION, Streaming(usage=usage)))  # type: ignore[arg-type]
    assert sum("usage" in event for event in events) == events_with


def test_an_endless_one_goes_on() -> None:
    events = events_of(COMPLETION, Streaming(endless=True))
    assert all(next(events) for _ in range(100))
