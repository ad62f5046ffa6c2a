from __future__ import annotations

from pathlib import Path

import pytest

from apportion.errors import UsageError
from apportion.nodes.passages import passages_of
from apportion.records.text import longest_bytes


def test_a_folder_of_text_files(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("one fact\nanother fact\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.md").write_text("first\nparagraph\n\n\nsecond paragraph")
    (tmp_path / "c.jsonl").write_text('{"text": "a row"}\n\n"a bare text"\n')
    (tmp_path / "ignored.bin").write_bytes(b"\xff\xfe")
    found = list(passages_of(tmp_path, 1024))
    assert found == ["one fact", "another fact", "a row", "a bare text", "first paragraph", "second paragraph"]


def test_long_passages_are_split_between_words(tmp_path: Path) -> None:
    file = tmp_path / "long.txt"
    file.write_text("alpha beta gamma " + "é" * 30)
    pieces = list(passages_of(file, 16))
    assert pieces[:2] == ["alpha beta gamma", "é" * 8]
    assert all(longest_bytes(piece) <= 16 for piece in pieces)


@pytest.mark.parametrize(
    ("line", "message"),
    [('{"text": 3}', r"rows\.jsonl:2, field 'text'"), ("{oops", r"rows\.jsonl:2: not valid JSON")],
)
def test_bad_rows_name_the_line(tmp_path: Path, line: str, message: str) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(f'"fine"\n{line}\n')
    with pytest.raises(UsageError, match=message):
        list(passages_of(file, 100))


def test_places_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file ending in"):
        list(passages_of(tmp_path, 100))
    with pytest.raises(UsageError, match=r"missing\.txt: cannot be read"):
        list(passages_of(tmp_path / "missing.txt", 100))
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    with pytest.raises(UsageError, match=r"latin\.txt:1: byte 0xe9 at column 4 is not UTF-8"):
        list(passages_of(tmp_path, 100))


def test_files_as_windows_writes_them(tmp_path: Path) -> None:
    (tmp_path / "README.TXT").write_bytes(b"\xef\xbb\xbfParis is big.\r\n\r\nRome is\r\nold.")
    (tmp_path / "ROWS.JSONL").write_bytes(b'\xef\xbb\xbf{"text":"a row"}\r\n')
    (tmp_path / "Z.NdJson").write_bytes(b'"another"\n')
    (tmp_path / "mac.Md").write_bytes(b"one\rtwo")
    assert list(passages_of(tmp_path, 100)) == ["Paris is big.", "Rome is old.", "a row", "another", "one", "two"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (b'{"text": "\\ud83d"}', r"rows\.jsonl:1, field 'text': half of a surrogate pair"),
        (b'{"text": "a", "x": ' + b"[" * 2000 + b"]" * 2000 + b"}", r"rows\.jsonl:1: there are too many brackets"),
        (b'"caf\xe9"', r"rows\.jsonl:1: byte 0xe9 at column 5"),
        ("\ufeff".encode("utf-16"), "this is UTF-16; save the file as UTF-8"),
    ],
)
def test_rows_that_no_prompt_can_hold_are_refused(tmp_path: Path, row: bytes, message: str) -> None:
    (tmp_path / "rows.jsonl").write_bytes(row)
    with pytest.raises(UsageError, match=message):
        list(passages_of(tmp_path, 100))


def test_a_file_without_spaces_is_split_in_one_pass(tmp_path: Path) -> None:
    file = tmp_path / "long.txt"
    file.write_text("北京" * 100_000)
    pieces = list(passages_of(file, 1024))
    assert "".join(pieces) == "北京" * 100_000
    assert len(pieces) == 600_000 // 1023 + 1
