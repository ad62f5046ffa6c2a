from __future__ import annotations

import pytest
from rich.cells import cell_len

from apportion.cli.listing import answer_json, count, listing, moment, one_line, records, share
from apportion.stores.read_only_query import Answer


def test_numbers_are_never_cut_and_texts_share_what_is_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "52")
    listing(
        ("id", "tokens", "said", "heard"), [("x" * 12, "1,234", "a b\nc " * 20, "d " * 20)], right=("tokens",), texts=2
    )
    row = capsys.readouterr().out.splitlines()[3]
    assert len(row.rstrip()) <= 52
    assert row.split()[:2] == ["x" * 12, "1,234"]
    assert "a b c" in row
    assert "d d d" in row
    monkeypatch.setenv("COLUMNS", "20")
    listing(("id", "tokens"), [("x" * 30, "1,234")])
    assert f"{'x' * 30}  1,234" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["漢字仮名" * 20, "\x1b[31m" * 20, "e\u0301" * 40, "👩\u200d🔬" * 20, "a\x85b\n" * 20])
def test_texts_are_cut_to_the_room_that_they_take(
    text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "52")
    listing(("id", "said", "heard"), [("ids are here", text, "d " * 20)], texts=2)
    row = capsys.readouterr().out.splitlines()[3]
    assert cell_len(row.rstrip()) <= 52
    assert row.rstrip().endswith("d d")
    assert "\x1b" not in row


def test_a_cell_is_one_line_whatever_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    listing(("node", "runs"), [("a\nb", "1"), ("c\r\n\td", "2")])
    assert [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()[3:5]] == ["a b 1", "c d 2"]


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


def test_values_of_any_kind_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    listing(("node", "runs"), [(b"\xff\x00", None), (1.5, "1")])
    assert [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()[3:5]] == ["(2 bytes) None", "1.5 1"]
    assert [count("many"), share("high"), share(float("nan"))] == ["many", "high", "nan"]


@pytest.mark.parametrize("seconds", ["x", None, 1e300, -1e300, float("nan"), 1e18, b"x"])
def test_what_is_no_time_is_shown_as_it_is(seconds: object) -> None:
    assert moment(seconds, "%Y") == str(seconds)
    assert moment(1.7e9, "%Y-%m") == "2023-11"
