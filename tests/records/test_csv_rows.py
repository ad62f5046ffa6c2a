from __future__ import annotations

import csv
from pathlib import Path

import pytest

from apportion.errors import DevSetError, FileError
from apportion.records.csv_rows import csv_rows


def rows(folder: Path, content: str | bytes, longest: int = 131_072) -> list[tuple[int, list[str]]]:
    path = folder / "a.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(csv_rows(path, longest=longest))


def test_rows_have_the_lines_on_which_they_begin(tmp_path: Path) -> None:
    found = rows(tmp_path, '\ufeffa,b\r\n\r\n"x\ny, ""z""",1\r\n , \r\nlast,2')
    assert found == [(1, ["a", "b"]), (3, ['x\ny, "z"', "1"]), (6, ["last", "2"])]
    assert rows(tmp_path, "") == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b\n1,2\n1,2,3\n", r"a\.csv:3: 3 cells, but the header has 2"),
        ('a,b\n1,"2\n', r"a\.csv:2: broken CSV: .*never closed"),
        ('a,b\n"1"2,3\n', r"a\.csv:2: broken CSV: .*write a double quote inside a quoted cell twice"),
        ("a\n" + "x" * 140_000 + "\n", r"a\.csv:2: broken CSV: .*belongs in a \.jsonl file"),
        (b"a\n\xff\n", r"a\.csv:2: byte 0xff at column 1 is not UTF-8"),
    ],
)
def test_what_is_broken_is_named_with_its_line(tmp_path: Path, content: str | bytes, said: str) -> None:
    with pytest.raises(FileError, match=said):
        rows(tmp_path, content)


def test_a_longer_cell_may_be_asked_for_and_the_limit_of_the_process_stays(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    assert len(rows(tmp_path, "a\n" + "x" * 140_000, longest=200_000)[1][1][0]) == 140_000
    assert csv.field_size_limit() == before


def test_the_error_is_the_readers_own(tmp_path: Path) -> None:
    with pytest.raises(DevSetError):
        list(csv_rows(tmp_path / "none.csv", error=DevSetError))
