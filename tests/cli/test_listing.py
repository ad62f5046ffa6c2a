from __future__ import annotations

import pytest

from apportion.cli.listing import answer_json, count, listing, one_line, records, share
from apportion.stores.read_only_query import Answer


def test_numbers_are_never_cut_and_texts_share_what_is_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    listing(
        ("id", "tokens", "said", "heard"), [("x" * 12, "1,234", "a b\nc " * 20, "d " * 20)], right=("tokens",), texts=2
    )
    row = capsys.readouterr().out.splitlines()[3]
    assert len(row.rstrip()) <= 40
    assert row.split()[:2] == ["x" * 12, "1,234"]
    assert "a b c" in row
    assert "d d d" in row
    monkeypatch.setenv("COLUMNS", "20")
    listing(("id", "tokens"), [("x" * 30, "1,234")])
    assert f"{'x' * 30}  1,234" in capsys.readouterr().out


def test_a_table_may_be_empty(capsys: pytest.CaptureFixture[str]) -> None:
    listing(("id", "said"), [], texts=1)
    assert "id" in capsys.readouterr().out


def test_what_is_not_known_is_a_dash() -> None:
    assert [count(None), count(1234), share(None), share(0.666)] == ["-", "1,234", "-", "0.67"]
    assert one_line(" a\n\tb ") == "a b"


def test_columns_of_the_same_name_are_numbered() -> None:
    assert records(Answer(("a", "a", "a_2"), [(1, 2, 3)])) == [{"a": 1, "a_2": 2, "a_2_2": 3}]
    assert answer_json([{"x": b"\x01", "y": float("inf"), "z": None}]).split() == [
        "[", "{", '"x":', '"01",', '"y":', '"inf",', '"z":', "null", "}", "]",
    ]  # fmt: skip
