from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.nodes.unspaced import MARKS, paired, query_terms


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("北京是", "北京 京是 是"),
        ("水", "水"),
        ("iPhone15手机 ok", "iPhone15 手机 机 ok"),
        ("東京タワー", "東京 京タ タワ ワー ー"),
        ("ﾀﾜｰ", "タワ ワー ー"),
        ("か\u3099", "が"),
        ("ไทย", "ไท ทย ย"),
        ("서울은", "서울 울은 은"),
        ("一、二", "一 、 二"),
        ("Ünïcode e\u0301 naïve Ελλάδα हिन्दी", "Ünïcode e\u0301 naïve Ελλάδα हिन्दी"),
    ],
)
def test_runs_become_pairs_and_all_else_stays(text: str, words: str) -> None:
    assert paired(text).split() == words.split()


@pytest.mark.parametrize(
    ("query", "terms"),
    [
        ("capital of 中国?", ['"capital"', '"of"', '"中国"']),
        ("日本の", ['"日本"', '"本の"']),
        ("水", ['"水" *']),
        ("水 水 水", ['"水" *']),
        ('a"b* NEAR(x)', ['"a"', '"b"', '"NEAR"', '"x"']),
        ("、。", []),
    ],
)
def test_queries(query: str, terms: list[str]) -> None:
    assert query_terms(query) == terms


def test_marks_are_marks_of_scripts_without_spaces() -> None:
    assert "\u0e31" in MARKS
    assert "\u0301" not in MARKS
    assert "'" not in MARKS


spaced = st.text(st.characters(max_codepoint=0x0DFF), max_size=40)


@given(spaced)
def test_text_with_spaces_is_not_touched(text: str) -> None:
    assert paired(text) == text


@given(st.text(max_size=30))
def test_any_text_is_a_query_of_the_index(text: str) -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE VIRTUAL TABLE t USING fts5(words, tokenize = 'unicode61')")
        for term in query_terms(text):
            database.execute("SELECT * FROM t WHERE t MATCH ?", (term,)).fetchall()
