from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from apportion.models.replies.streams import EventReader
from apportion.web.events import DONE, event
from apportion.web.refusal import Refusal


def test_what_is_sent_is_read_again() -> None:
    sent: list[Mapping[str, Any] | Refusal | str] = [
        {"a": "two\nlines, é and \u2028"},
        Refusal(502, "no", code="x"),
        {"half": "\ud83d"},
        DONE,
    ]
    chunk, error, half, done = EventReader().feed(b"".join(map(event, sent)))
    assert chunk == sent[0]
    assert isinstance(error, dict)
    assert error["error"]["code"] == "x"
    assert half == {"half": "?"}
    assert done == DONE


def test_an_event_is_one_line_of_data() -> None:
    data, *rest = event({"a": "\n\r\n"}).split(b"\n")
    assert rest == [b"", b""]
    assert json.loads(data.removeprefix(b"data: ")) == {"a": "\n\r\n"}
