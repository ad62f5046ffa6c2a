from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from apportion.errors import DevSetError, FileError
from apportion.records.files import DEPTH, JsonFault, json_lines, parse_json, read_json, read_text, write_text

MARK = b"\xef\xbb\xbf"


def written(folder: Path, content: bytes, name: str = "a.txt") -> Path:
    file = folder / name
    file.write_bytes(content)
    return file


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    assert read_text(written(tmp_path, MARK + "é".encode())) == "é"
    assert read_json(written(tmp_path, MARK + b'{"a": 1}')) == {"a": 1}
    assert list(json_lines(written(tmp_path, MARK + b'"a"\r\n\r\n2'))) == [(1, "a"), (3, 2)]
    # Only the first is a mark; another is a character of the text.
    assert read_text(written(tmp_path, MARK + MARK)) == "\ufeff"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
def test_another_encoding_is_named(tmp_path: Path, encoding: str) -> None:
    file = written(tmp_path, ("\ufeff" if encoding == "utf-16-be" else "").encode(encoding) + "a".encode(encoding))
    with pytest.raises(FileError, match="UTF-16; save the file as UTF-8"):
        read_text(file)
    with pytest.raises(FileError, match="UTF-16; save the file as UTF-8"):
        list(json_lines(file))


def test_bytes_that_are_no_text_are_found_by_line_and_column(tmp_path: Path) -> None:
    file = written(tmp_path, b"one\ntwo\ncaf\xe9 \xff")
    with pytest.raises(FileError, match=r"a\.txt:3: byte 0xe9 at column 4 is not UTF-8"):
        read_text(file)
    with pytest.raises(FileError, match=r"a\.txt:2: byte 0xe9 at column 5"):
        list(json_lines(written(tmp_path, b'"one"\n"caf\xe9"\n')))


def test_a_file_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    for path, said in ((tmp_path, "Is a directory"), (tmp_path / "none", "No such file"), (Path("a\0b"), "null byte")):
        for read in (read_text, read_json, lambda path: list(json_lines(path))):
            with pytest.raises(FileError, match=f"cannot be read: .*{said}"):
                read(path)


def test_the_error_is_the_doors_own(tmp_path: Path) -> None:
    with pytest.raises(DevSetError):
        read_text(tmp_path / "none", error=DevSetError)


@pytest.mark.parametrize(
    ("text", "field", "said"),
    [
        ("", "", "not valid JSON: expecting value at column 1"),
        ('{"a": 1', "", "not valid JSON: expecting ',' delimiter at column 8"),
        ('{"a": [1, {"b": NaN}]}', "a[1].b", "must be finite, not nan"),
        ("[-Infinity]", "[0]", "must be finite, not -inf"),
        ('{"a": 1e999}', "a", "must be finite, not inf"),
        (f'{{"a": {"9" * 400}.0}}', "a", "must be finite, not inf"),
        ("9" * 5000, "", "too many digits"),
        ('{"a": ["x\\ud83d"]}', "a[0]", r"half of a surrogate pair (\ud83d)"),
        ('{"a": {"\\uDE00": 1}}', r"a.\ude00", r"half of a surrogate pair (\ude00)"),
        ('"\ud83d"', "", "half of a surrogate pair"),
        ('{"a": {"b": 1, "b": 2}}', "", "key 'b' is there twice"),
        ("[" * 2000 + "]" * 2000, "", "too many brackets"),
        ('{"a":' * 100_000, "", "too many brackets"),
        ("[" * (DEPTH + 1) + "]" * (DEPTH + 1), "[0]" * DEPTH, "too many brackets"),
    ],
)
def test_what_is_no_json_is_named_by_its_field(text: str, field: str, said: str) -> None:
    with pytest.raises(JsonFault) as caught:
        parse_json(text)
    assert said in caught.value.reason
    assert caught.value.field.encode("ascii", "backslashreplace").decode() == field


@pytest.mark.parametrize(
    "text",
    [
        "[" * DEPTH + "]" * DEPTH,
        '"\\ud83d\\ude00"',
        '"NaN \\\\ud83d 1e999"',
        '{"a": 1, "b": {"a": 1}}',
        "1e308",
        '\ufeff{"a": 1}',
        "[" + "{}," * 99 + "{}]",
    ],
)
def test_what_only_looks_suspicious_is_read(text: str) -> None:
    assert parse_json(text) == json.loads(text.removeprefix("\ufeff"))


def test_a_line_of_json_is_found_in_its_file(tmp_path: Path) -> None:
    file = written(tmp_path, '"one\u2028line"\n\n{"a": {"b": "\\ud800"}}\n'.encode())
    lines = json_lines(file)
    assert next(lines) == (1, "one\u2028line")
    with pytest.raises(FileError, match=r"a\.txt:3, field 'a\.b': half of a surrogate pair"):
        next(lines)
    with pytest.raises(FileError, match=r"a\.txt:2: .*Write one whole JSON value a line"):
        list(json_lines(written(tmp_path, b'"fine"\n{\n}')))
    with pytest.raises(FileError, match=r"a\.txt:2: not valid JSON"):
        read_json(written(tmp_path, b"[1,\n2"))


almost = st.recursive(
    st.sampled_from(["1", "-0", "1e999", "NaN", '"a"', '"\\ud800"', "null", "", "9" * 5000, "\ufeff", "\0"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: f"[{','.join(parts)}]"),
        st.lists(inner, max_size=3).map(lambda parts: "{" + ",".join(f'"k":{part}' for part in parts) + "}"),
        st.tuples(inner, st.integers(0, 3000)).map(lambda pair: "[" * pair[1] + pair[0] + "]" * pair[1]),
    ),
)


@given(st.binary(max_size=80) | almost.map(str.encode))
@example(b"\xed\xa0\x80")
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_json_or_one_typed_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = written(tmp_path_factory.mktemp("files"), content)
    for read in (read_text, read_json, lambda path: list(json_lines(path))):
        line, said = 1, ""
        try:
            json.dumps(read(file), ensure_ascii=False, allow_nan=False).encode()
        except FileError as error:
            line, said = error.line, str(error)
        assert 0 <= line <= content.count(b"\n") + 1
        assert "\n" not in said


def test_a_database_is_never_written_over(tmp_path: Path) -> None:
    other = written(tmp_path, b"SQLite", "other.txt")
    write_text(other, "é")
    write_text(tmp_path / "new.txt", "é")
    assert other.read_bytes() == (tmp_path / "new.txt").read_bytes() == "é".encode()
    database = written(tmp_path, b"SQLite format 3\0 and so on")
    with pytest.raises(FileExistsError, match="it is a SQLite database; name another file"):
        write_text(database, "é")
    assert database.read_bytes().endswith(b"and so on")
