from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apportion.errors import UnknownName, UsageError
from apportion.nodes.callables import Given, Imported
from apportion.nodes.retrieval import RETRIEVER, FunctionRetriever, PassageIndex, open_retriever

FACTS = ["Ann lives in Rome.", "Bob lives with Ann.", "Cid saw Bob.", "Rome is old."]
INDEX = PassageIndex(FACTS)


def find(index: PassageIndex, query: str, top_k: int = 3) -> Sequence[str]:
    return asyncio.run(index.find(query, top_k))


def shout(query: str, top_k: int) -> list[str]:
    return [query.upper()] * (top_k + 5)


def half(query: str, top_k: int) -> list[str]:
    return ["an emoji cut in two: \ud83d"]


async def whisper(query: str, top_k: int) -> list[str]:
    return [query.lower()]


def wrong(query: str, top_k: int) -> str:
    return "one text"


def test_rare_words_count_more_than_common_ones() -> None:
    assert find(INDEX, "where lives Cid")[0] == "Cid saw Bob."
    assert find(INDEX, "Bob Ann")[0] == "Bob lives with Ann."


def test_top_k_and_stems() -> None:
    assert len(find(INDEX, "Ann Bob Rome", 2)) == 2
    assert find(INDEX, "living", 1) == ["Ann lives in Rome."]


def test_nothing_found_is_nothing() -> None:
    assert find(INDEX, "zebra") == []
    assert find(INDEX, " ?!") == []


@pytest.mark.parametrize(
    "query",
    ['"', "a OR", "NEAR(Ann Bob)", "text: Ann", "Ann*", "-Ann", "(", "'; DROP TABLE passage; --", "_", "\x00 Ann"],
)
def test_a_query_is_words_and_never_syntax(query: str) -> None:
    find(INDEX, query)
    assert len(INDEX) == 4


@given(st.text(max_size=80))
@settings(max_examples=60)
def test_any_text_is_a_query(query: str) -> None:
    assert set(find(INDEX, query)) <= set(FACTS)


CAPITALS = [
    "北京是中国的首都。",
    "東京は日本の首都です。",
    "กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย",
    "서울은 대한민국의 수도이다.",
    "ភ្នំពេញជារាជធានី",
    "Paris is the capital of France.",
    "香水很贵",
    "我的iPhone15手机在哪里",
]


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("北京", 0),
        ("中国的首都", 0),
        ("日本", 1),
        ("日本の首都はどこですか", 1),
        ("ﾄｳｷｮｳ 東京", 1),
        ("ประเทศไทย", 2),
        ("กรุงเทพ", 2),
        ("서울", 3),
        ("ភ្នំពេញ", 4),
        ("capitals of 法国", 5),
        ("水", 6),
        ("手机", 7),
        ("iPhone15", 7),
    ],
)
def test_scripts_without_spaces_are_found(query: str, place: int) -> None:
    assert find(PassageIndex(CAPITALS), query, 1) == [CAPITALS[place]]


words = st.lists(
    st.sampled_from(["Ann", "lives", "living", "rome", "naïve", "x1", "foo_bar", "the", "é-e"]), max_size=8
)


@given(st.lists(words.map(" ".join).filter(bool), min_size=1, max_size=8, unique=True), words.map(", ".join))
@settings(max_examples=60, deadline=None)
def test_text_with_spaces_is_ranked_as_by_sqlite_alone(passages: list[str], query: str) -> None:
    asked = list(dict.fromkeys(re.findall(r"\w+", query)))
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE VIRTUAL TABLE plain USING fts5(text, tokenize = 'porter unicode61')")
        database.executemany("INSERT INTO plain (text) VALUES (?)", [(passage,) for passage in passages])
        match = " OR ".join(f'"{word}"' for word in asked)
        ranked = "SELECT text FROM plain WHERE plain MATCH ? ORDER BY bm25(plain), rowid"
        expected = [text for (text,) in database.execute(ranked, (match,))] if asked else []
    assert find(PassageIndex(passages), query, len(passages)) == expected


def test_a_place_is_indexed_and_one_without_passages_refused(tmp_path: Path) -> None:
    file = tmp_path / "facts.txt"
    file.write_text("\n".join(FACTS))
    with open_retriever(str(tmp_path), 100) as retriever:
        assert asyncio.run(retriever.find("Cid", 1)) == ["Cid saw Bob."]
    file.write_text("")
    with pytest.raises(UsageError, match="no passage"), open_retriever(str(tmp_path), 100):
        pass


def found_by(source: object, query: str = "Ann") -> list[str]:
    given = RETRIEVER.given(source)
    assert given is not None
    return list(asyncio.run(FunctionRetriever(given).find(query, 2)))


def test_functions_sync_and_async() -> None:
    assert found_by(shout) == ["ANN", "ANN"]
    assert found_by(whisper) == ["ann"]
    assert found_by(half) == ["an emoji cut in two: \ufffd"]
    with pytest.raises(UsageError, match="must return a list of str, not str"):
        found_by(wrong)


class Shelf:
    def find(self, query: str, top_k: int) -> list[str]:
        return [f"{query} of the shelf"]


SHELF = Shelf()


def test_an_object_with_a_method_finds_too() -> None:
    assert RETRIEVER.given(SHELF) == Imported(f"{__name__}:SHELF", RETRIEVER)
    assert found_by(SHELF) == ["Ann of the shelf"]
    assert isinstance(RETRIEVER.given(Shelf()), Given)
    assert found_by(Shelf()) == ["Ann of the shelf"]


def test_what_has_no_name_finds_as_well() -> None:
    def inner(query: str, top_k: int) -> list[str]:
        return [query * top_k]

    functions: list[Callable[..., object]] = [lambda query, top_k: [query * top_k], inner]
    assert [found_by(function) for function in functions] == [["AnnAnn"], ["AnnAnn"]]
    assert found_by(lambda query, top_k: whisper(query, top_k)) == ["ann"]
    assert found_by(Shelf().find) == ["Ann of the shelf"]
    assert RETRIEVER.given(7) is None


def named(name: str) -> Imported:
    return Imported(name, RETRIEVER)


def test_the_demos_own_retriever_needs_no_admission_and_its_neighbours_do() -> None:
    named("apportion.cli.demo_graph:look_up").check(())
    assert named("apportion.cli.demo_graph:look_up").known
    for other in ("apportion.cli.demo_graph:dev_set", "apportion.cli.app:run", "json:dumps"):
        with pytest.raises(UsageError, match="is of the module"):
            named(other).check(())


def test_a_name_that_leads_nowhere_is_a_clear_error() -> None:
    with pytest.raises(UsageError, match="there is no module 'no_such_module'"):
        named("no_such_module:f").function()
    with pytest.raises(UnknownName, match="unknown retriever in module 'json': 'dump_s'; did you mean 'dumps'"):
        named("json:dump_s").function()
    with pytest.raises(UsageError, match="is a list; name a function, or what has a `find`"):
        named("json:__path__").function()
    assert named("json:dumps").function() is json.dumps
