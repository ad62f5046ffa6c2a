from __future__ import annotations

import pytest

from apportion.models.request_fields import canonical, check_request_fields, reserved_for


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "n", "stream", "model", "messages", "api_key"])
def test_what_the_ledger_and_the_calls_set_is_theirs(name: str) -> None:
    assert reserved_for(name)
    for fields in ({name: 1}, {"extra_body": {name: 1}}):
        with pytest.raises(ValueError, match=f"'{name}' cannot be set by an effort: .*; take it out"):
            check_request_fields(fields, "an effort")


def test_what_else_there_is_may_be_set_if_it_is_json() -> None:
    check_request_fields({"top_p": 0.9, "provider": {"order": ["a"]}}, "extra_body")
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    for value in (object(), float("nan"), b"x", deep):
        with pytest.raises(ValueError, match="'x' is sent as JSON"):
            check_request_fields({"x": value}, "extra_body")
    assert reserved_for("top_p") is None


def test_json_has_one_form() -> None:
    assert canonical({"b": 1, "a": "ß"}) == canonical({"a": "ß", "b": 1}) == '{"a":"ß","b":1}'
