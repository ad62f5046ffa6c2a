from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apportion.errors import UnknownName, UsageError
from apportion.optimizers.tables.log_file import load_outcomes

ROWS: list[dict[str, Any]] = [
    {"question": "b", "arm": "large", "sample": 2, "score": 0.5, "cost": 30, "confidence": 0.9, "text": "2024-01-02"},
    {"question": "a", "arm": "small", "sample": 1, "score": 1, "cost": 10.5, "text": 'how "many",\nsay'},
    {"question": "a", "arm": "large", "sample": 1, "score": 0, "cost": 20, "confidence": 1.0},
    {"question": "b", "arm": "small", "sample": 1, "score": 0, "cost": 11},
    {"question": "b", "arm": "large", "sample": 1, "score": 1, "cost": 40, "confidence": 0.25},
]
FAMILIES = {"a": "counting", "b": "dates"}
FORMATS = (".parquet", ".csv", ".jsonl")


def rows(**changes: Any) -> list[dict[str, Any]]:
    """The rows, the last of them changed."""
    named = [{**row, "family": FAMILIES[row["question"]], "model": row["arm"].upper()} for row in ROWS]
    return [*named[:-1], {**named[-1], **changes}]


def write(path: Path, content: list[dict[str, Any]]) -> Path:
    if path.suffix == ".jsonl":
        path.write_text("\n\n".join(json.dumps(row) for row in content))
        return path
    names = list(dict.fromkeys(name for row in content for name in row))
    table = pa.table({name: [row.get(name) for row in content] for name in names})
    if path.suffix == ".csv":
        pa.csv.write_csv(table, path)
    else:
        pa.parquet.write_table(table, path)
    return path


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_gives_the_same_table(tmp_path: Path, suffix: str) -> None:
    found = load_outcomes(write(tmp_path / f"log{suffix}", rows()))
    table = found.table
    assert [(q.name, q.text, q.family) for q in table.questions] == [
        ("b", "2024-01-02", "dates"),
        ("a", 'how "many",\nsay', "counting"),
    ]
    assert [(arm.name, arm.models, arm.single) for arm in table.arms] == [
        ("large", (("answer", "LARGE"),), True),
        ("small", (("answer", "SMALL"),), True),
    ]
    # Samples in their order; where there is one only, it counts twice.
    assert table.scores.tolist() == [[[1, 0.5], [0, 0]], [[0, 0], [1, 1]]]
    assert table.costs.tolist() == [[[40, 30], [11, 11]], [[20, 20], [10.5, 10.5]]]
    assert table.confidences is not None
    assert np.nan_to_num(table.confidences, nan=-1).tolist() == [[[0.25, 0.9], [-1, -1]], [[1, 1], [-1, -1]]]
    assert (found.dropped, found.repeated) == (0, 3)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("score", 1.5, "1.5 is not right; write a number, how good the answer is, in [0, 1]"),
        ("score", None, "it is empty; write a number"),
        ("cost", -1, "-1 is not right; write a number, what it cost, 0 or more"),
        ("sample", 1.5, "1.5 is no whole number"),
        ("sample", 2, "question 'b' has this sample of this arm in row 1 too; number them differently"),
        ("arm", None, "it is empty"),
        ("text", "another", "question 'b' has another in row 1; make them the same"),
        ("model", "other", "arm 'large' has another in row 1; make them the same"),
        ("confidence", 2, "2 is not right"),
    ],
)
def test_what_is_wrong_is_named_with_its_row_and_column(
    tmp_path: Path, suffix: str, column: str, value: Any, said: str
) -> None:
    path = write(tmp_path / f"log{suffix}", rows(**{column: value}))
    with pytest.raises(UsageError) as caught:
        load_outcomes(path)
    assert str(caught.value).startswith(f"{path}, row 5, column {column!r}: {said}")


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_text_where_a_number_belongs(tmp_path: Path, suffix: str) -> None:
    changed = [{**row, "cost": str(row["cost"])} for row in rows(cost=" 40 ")]
    table = load_outcomes(write(tmp_path / f"log{suffix}", changed)).table
    assert table.costs[0, 0].tolist() == [40, 30]
    path = write(tmp_path / f"log{suffix}", [*changed[:3], {**changed[3], "cost": "cheap"}, changed[4]])
    with pytest.raises(UsageError, match=r"row 4, column 'cost': 'cheap' is no number"):
        load_outcomes(path)


@pytest.mark.parametrize("suffix", FORMATS)
def test_columns_that_are_not_read_are_named_with_what_they_may_be_meant_for(tmp_path: Path, suffix: str) -> None:
    changed = [{**row, "trace_id": "t", "famly": "sums", "scores": 1} for row in rows()]
    found = load_outcomes(write(tmp_path / f"log{suffix}", changed), columns={"text": "text"})
    meant = "" if "family" in rows()[0] else "family"
    # `scores` is near `score`, which is there.
    assert found.unread == (("trace_id", ""), ("famly", meant), ("scores", ""))
    named = load_outcomes(tmp_path / f"log{suffix}", columns={"score": "scores"})
    assert "scores" not in dict(named.unread)


def test_right_or_wrong_counts_as_a_score(tmp_path: Path) -> None:
    for suffix in FORMATS:
        changed = [{**row, "score": row["score"] == 1} for row in rows()]
        table = load_outcomes(write(tmp_path / f"log{suffix}", changed)).table
        assert table.scores.tolist() == [[[1, 0], [0, 0]], [[0, 0], [1, 1]]]


def test_a_question_without_some_arm_is_refused_or_dropped(tmp_path: Path) -> None:
    more = [*rows(), {"question": "c", "arm": "small", "sample": 1, "score": 1, "cost": 1}]
    path = write(tmp_path / "log.parquet", more)
    with pytest.raises(UsageError, match=r"1 of 3 questions .* question 'c', for example, has none of arm 'large'"):
        load_outcomes(path)
    found = load_outcomes(path, incomplete="drop")
    assert ([q.name for q in found.table.questions], found.dropped) == (["b", "a"], 1)
    lonely = write(tmp_path / "lonely.csv", [more[1], more[2] | {"question": "d"}])
    with pytest.raises(UsageError, match="no question has an outcome of every arm"):
        load_outcomes(lonely, incomplete="drop")


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    theirs = {"question": "query_id", "arm": "model", "score": "correct", "cost": "tokens"}
    path = write(
        tmp_path / "log.csv",
        [{theirs.get(k, k): v for k, v in row.items() if k in theirs or k == "sample"} for row in ROWS],
    )
    with pytest.raises(
        UsageError, match=r"no column 'question' .*--column question=NAME, .* has query_id, model, sample"
    ):
        load_outcomes(path)
    table = load_outcomes(path, columns=theirs).table
    assert [arm.models for arm in table.arms] == [(("answer", "large"),), (("answer", "small"),)]
    assert table.confidences is None
    with pytest.raises(UnknownName, match="did you mean 'query_id'"):
        load_outcomes(path, columns={**theirs, "question": "query"})
    with pytest.raises(UnknownName, match="did you mean 'score'"):
        load_outcomes(path, columns={"scores": "correct"})


def test_without_sample_numbers_there_is_one_sample_of_each(tmp_path: Path) -> None:
    plain = [{k: v for k, v in row.items() if k != "sample"} for row in rows()]
    assert load_outcomes(write(tmp_path / "log.csv", plain[1:])).table.scores.shape == (2, 2, 1)
    with pytest.raises(UsageError, match=r"row 5, column 'sample': .* row 1 too; add a column 'sample'"):
        load_outcomes(write(tmp_path / "log.csv", plain))


def test_settings_are_one_spelling_of_json(tmp_path: Path) -> None:
    changed = [{**row, "setting": '{"b": 1, "a": 2}' if row["arm"] == "small" else "slow"} for row in rows()]
    arms = load_outcomes(write(tmp_path / "log.jsonl", changed)).table.arms
    assert [arm.setting for arm in arms] == ['"slow"', '{"a":2,"b":1}']


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"must end in \.parquet, \.csv or \.jsonl"):
        load_outcomes(tmp_path / "log.xlsx")
    with pytest.raises(UsageError, match="no file"):
        load_outcomes(tmp_path / "log.csv")
    (tmp_path / "log.parquet").write_bytes(b"nothing")
    with pytest.raises(UsageError, match="this is no Parquet file"):
        load_outcomes(tmp_path / "log.parquet")
    (tmp_path / "log.csv").write_text("question,arm,score,cost\na,b,1,2\na,c,1\n")
    with pytest.raises(UsageError, match=r"log\.csv:3: 3 cells, but the header has 4"):
        load_outcomes(tmp_path / "log.csv")
    (tmp_path / "log.csv").write_text("question,arm,score,cost\n")
    with pytest.raises(UsageError, match="there are no rows"):
        load_outcomes(tmp_path / "log.csv")
    (tmp_path / "log.jsonl").write_text('{"question": "a"}\n[1]\n')
    with pytest.raises(UsageError, match=r"log\.jsonl:2: a row is an object"):
        load_outcomes(tmp_path / "log.jsonl")
    (tmp_path / "log.jsonl").write_text("{\n")
    with pytest.raises(UsageError, match=r"log\.jsonl:1: not valid JSON"):
        load_outcomes(tmp_path / "log.jsonl")
    (tmp_path / "log.jsonl").write_bytes(b'{"question": "\xff"}')
    with pytest.raises(UsageError, match="save the file as UTF-8"):
        load_outcomes(tmp_path / "log.jsonl")


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_only_parquet_needs_pyarrow(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    log, parquet = write(tmp_path / f"log{suffix}", rows()), write(tmp_path / "log.parquet", rows())
    whole = load_outcomes(parquet).table
    for module in [name for name in sys.modules if name.partition(".")[0] == "pyarrow"]:
        monkeypatch.setitem(sys.modules, module, None)
    assert load_outcomes(log).table.scores.tolist() == whole.scores.tolist()
    with pytest.raises(UsageError, match=r"log\.parquet: .*pip install 'apportion\[parquet\]'"):
        load_outcomes(parquet)


ROW = b'{"question": "q", "arm": "a", "score": 1, "cost": 1%s}'


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("LOG.CSV", b"\xef\xbb\xbfquestion,arm,score,cost\r\nq,a,1,1\r\n"),
        ("LOG.JSONL", b"\xef\xbb\xbf" + ROW % b"" + b"\r\n\r\n"),
        ("a.jsonl", ROW % b', "confidence": NaN, "setting": "[[[["'),
        ("b.jsonl", ROW % (b', "setting": "' + b"[" * 3000 + b'"')),
        ("c.csv", b"question,arm,score,cost,text\nq,a,1,1," + b"long " * 500_000 + b"\n"),
    ],
)
def test_files_as_they_come_are_read(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert load_outcomes(tmp_path / name).table.questions[0].name == "q"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "question,arm,score,cost\nq,a,1,1\n".encode("utf-16"), "this is UTF-16; save the file as UTF-8"),
        ("a.csv", b"question,arm,score,cost\ncaf\xe9,a,1,1\n", r"a\.csv:2: byte 0xe9 at column 4 is not UTF-8"),
        ("a.csv", b"question,question,arm,score,cost\nq,q,a,1,1\n", "there are two columns 'question'"),
        ("a.csv", b"", r"a\.csv:1: there is no header"),
        ("a.jsonl", ROW % (b', "x": ' + b"[" * 2000 + b"]" * 2000), r"a\.jsonl:1: there are too many brackets"),
        (
            "a.jsonl",
            ROW % b"" + b"\n" + ROW % b', "text": "x\\ud83d"',
            r"a\.jsonl:2, field 'text': half of a surrogate",
        ),
        ("a.jsonl", ROW % b', "cost": 2', r"a\.jsonl:1: key 'cost' is there twice"),
        ("a.jsonl", ROW.replace(b'"cost": 1', b'"cost": 1e999') % b"", "row 1, column 'cost': inf is not right"),
        ("a.jsonl", ROW.replace(b'"cost": 1', b'"cost": ' + b"9" * 400) % b"", "row 1, column 'cost': inf is not"),
        ("a.parquet", b"PAR1" + bytes(50) + b"PAR1", "this is no Parquet file"),
        ("a.parquet", b"", "this is no Parquet file"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=said) as caught:
        load_outcomes(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A small file of each format."""
    folder = tmp_path_factory.mktemp("whole")
    rows = [(f"q{i}", arm, "1", "2.5", f"text é {i}") for i in range(8) for arm in "ab"]
    names = ("question", "arm", "score", "cost", "text")
    columns: list[list[Any]] = [[row[place] for row in rows] for place in range(5)]
    columns[2:4] = [[float(value) for value in column] for column in columns[2:4]]
    pa.parquet.write_table(pa.table(dict(zip(names, columns, strict=True))), folder / "log.parquet")
    return {
        "log.parquet": (folder / "log.parquet").read_bytes(),
        "log.csv": "\n".join(",".join(row) for row in [names, *rows]).encode(),
        "log.jsonl": "\n".join(json.dumps(dict(zip(names, row, strict=True))) for row in rows).encode(),
    }


@pytest.mark.parametrize("name", ["log.parquet", "log.csv", "log.jsonl"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, whole: dict[str, bytes], name: str, data: st.DataObject
) -> None:
    content = bytearray(whole[name])
    places = st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=4)
    for place, byte in data.draw(places):
        content[place] = byte
    cut = data.draw(st.none() | st.integers(0, len(content)))
    file = tmp_path_factory.mktemp("damaged") / name
    file.write_bytes(content[:cut])
    with contextlib.suppress(UsageError):
        load_outcomes(file)


def with_a_gap() -> list[dict[str, Any]]:
    """Rows of two arms on two families, one of which arm a was not run on."""
    return [
        {"question": f"{family}{number}", "arm": arm, "score": 1, "cost": cost, "family": family}
        for family in ("sums", "words")
        for number in range(3)
        for arm, cost in (("a", 1 + number), ("b", 5))
        if (arm, family) != ("a", "words")
    ]


def test_an_arm_that_was_not_run_on_a_family_is_a_gap_there(tmp_path: Path) -> None:
    more = with_a_gap()
    found = load_outcomes(write(tmp_path / "log.jsonl", more))
    assert (found.absent, found.dropped, found.repeated) == ((("a", "words"),), 0, 0)
    table, arm = found.table, found.table.arm("a")
    words = np.array([question.family == "words" for question in table.questions])
    assert table.gaps
    assert table.ran is not None
    assert table.ran[:, arm].tolist() == (~words).tolist()
    assert np.isnan(table.mean_scores[words, arm]).all()
    assert np.isnan(table.mean_costs[words, arm]).all()
    assert (table.mean_scores[~words, arm] == 1).all()
    assert sorted(table.mean_costs[~words, arm]) == [1, 2, 3]
    # Within a family, an outcome that is missing is missing.
    with pytest.raises(UsageError, match="lack an outcome"):
        load_outcomes(write(tmp_path / "less.jsonl", more[1:]))


@pytest.mark.parametrize("suffix", FORMATS)
def test_rows_with_neither_score_nor_cost_are_no_outcomes(tmp_path: Path, suffix: str) -> None:
    empty = {"arm": "a", "score": None, "cost": None, "family": "words"}
    more = [*({"question": f"words{number}", **empty} for number in range(3)), *with_a_gap()]
    found = load_outcomes(write(tmp_path / f"log{suffix}", more)).table
    whole = load_outcomes(write(tmp_path / f"less{suffix}", with_a_gap())).table
    assert [arm.name for arm in found.arms] == [arm.name for arm in whole.arms]
    assert np.array_equal(found.scores, whole.scores, equal_nan=True)
    assert np.array_equal(found.costs, whole.costs, equal_nan=True)
    # Rows are still counted as they are in the file.
    with pytest.raises(UsageError, match="row 4, column 'score': it is empty"):
        load_outcomes(write(tmp_path / f"half{suffix}", [*more[:3], {**more[3], "score": None}, *more[4:]]))
    with pytest.raises(UsageError, match="there are no rows with a score and a cost"):
        load_outcomes(write(tmp_path / f"none{suffix}", more[:3]))


@pytest.mark.parametrize(
    ("header", "renamed", "text"),
    [
        ({"question": "what is it?"}, {}, "what is it?"),
        ({"question": "47+83="}, {}, "47+83="),
        ({"question": "q-17"}, {}, ""),
        ({"question": "q-17", "text": "what is it?"}, {}, "what is it?"),
        ({"id": "q-17", "question": "what is it?"}, {"question": "id"}, "what is it?"),
        ({"id": "q-17", "question": "what is it?", "text": "and this?"}, {"question": "id"}, "and this?"),
        ({"id": "q-17", "question": "0.5"}, {"question": "id", "cost": "question"}, ""),
    ],
)
def test_texts_are_found_where_they_stand(
    tmp_path: Path, header: dict[str, str], renamed: dict[str, str], text: str
) -> None:
    row = {**header, "arm": "a", "score": 1, "cost": 1}
    found = load_outcomes(write(tmp_path / "log.jsonl", [row]), columns=renamed)
    assert found.table.questions[0].text == text
    assert found.texts == bool(text)


SHOWN: list[dict[str, Any]] = [
    {"question": "a", "arm": "m", "answer": "1,000", "abstained": 0, "thinking_tokens": 30, "cluster_id": "t1"},
    {"question": "a", "arm": "n", "answer": "1000.0", "abstained": 0, "output_tokens": 50},
    {"question": "b", "arm": "m", "answer": "the large red fox", "abstained": 0},
    {"question": "b", "arm": "n", "answer": "a large red fox", "abstained": 1},
    {"question": "c", "arm": "m", "thinking_tokens": 7, "cluster_id": "t1"},
    {"question": "c", "arm": "n", "answer": "x", "abstained": 0},
]


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_shows_of_answers_is_read(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"log{suffix}", [{**row, "score": 1, "cost": 1} for row in SHOWN])
    table = load_outcomes(path).table
    assert table.answers is not None
    assert table.abstained is not None
    assert table.thinking_tokens is not None
    assert table.output_tokens is not None
    assert table.answers[:, :, 0].tolist() == [[0, 0], [0, 1], [-1, 0]]
    assert np.array_equal(table.abstained[:, :, 0], np.array([[0, 0], [0, 1], [np.nan, 0]]), equal_nan=True)
    assert np.array_equal(table.thinking_tokens[:, 0, 0], [30, np.nan, 7], equal_nan=True)
    assert np.array_equal(table.output_tokens[0, :, 0], [np.nan, 50], equal_nan=True)
    assert table.clusters == ("t1", "", "t1")
    words = load_outcomes(path, same="words").table.answers
    assert words is not None
    assert words[:, :, 0].tolist() == [[0, 1], [0, 0], [-1, 0]]
    own = load_outcomes(path, same=lambda one, other: True).table.answers
    assert own is not None
    assert own[1, :, 0].tolist() == [0, 0]


def test_half_an_abstention_is_refused(tmp_path: Path) -> None:
    found = [{**row, "score": 1, "cost": 1} for row in SHOWN]
    path = write(tmp_path / "log.jsonl", [*found[:-1], {**found[-1], "abstained": 0.5}])
    with pytest.raises(UsageError, match=r"row 6, column 'abstained'.*neither 0 nor 1"):
        load_outcomes(path)


def test_columns_that_are_not_there_are_not_made_up(tmp_path: Path) -> None:
    table = load_outcomes(write(tmp_path / "log.csv", rows())).table
    assert (table.answers, table.abstained, table.thinking_tokens, table.clusters) == (None, None, None, None)
