from __future__ import annotations

import json
import shutil
import sqlite3
import zlib
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from apportion.errors import StoreError
from apportion.stores import open_store
from apportion.stores.migration_texts import unpacked

SCHEMA5 = Path(__file__).with_name("databases") / "schema5.sqlite"
pytestmark = pytest.mark.filterwarnings("ignore::apportion.stores.upgrade.OldFileWarning")


@pytest.fixture
def old(path: Path) -> Path:
    shutil.copy(SCHEMA5, path)
    return path


def ask(path: Path, question: str) -> list[tuple[Any, ...]]:
    """Asks as anybody's tool would."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute(question).fetchall()


def test_texts_can_be_read_with_any_tool(old: Path) -> None:
    with open_store(old):
        pass
    ((prompt, reply),) = ask(old, "SELECT prompt, reply FROM calls_read")
    assert (json.loads(prompt)[0]["content"], reply) == ("zwölf mal drei?", "36")
    assert ask(old, "SELECT typeof(payload), payload FROM reply") == [("text", '{"text":"36"}')]
    assert ask(old, "SELECT DISTINCT typeof(content) FROM text") == [("text",)]
    sizes = ask(old, "SELECT bytes, length(CAST(content AS BLOB)) FROM text")
    assert sizes
    assert all(size == found for size, found in sizes)


def test_no_column_leaves_its_unit_to_be_guessed(old: Path) -> None:
    with open_store(old):
        pass
    columns = ask(
        old, "SELECT s.name, c.name FROM sqlite_schema s, pragma_table_xinfo(s.name) c WHERE s.type = 'table'"
    )
    assert len(columns) > 100
    assert [name for name in columns if name[1].endswith(("_usd", "_weighted", "latency", "size"))] == []
    assert ask(old, "SELECT charged_nanousd, charged_microweighted, latency_seconds FROM run") == [(120, 80, 4.5)]


def test_a_damaged_text_stops_nothing_and_is_named_by_who_reads_it(old: Path) -> None:
    with closing(sqlite3.connect(old)) as connection, connection:
        connection.execute("UPDATE blob SET data = x'00' WHERE size = 2")
        connection.execute("UPDATE reply SET payload = x'00'")
    with open_store(old) as store:
        with pytest.raises(StoreError, match=r"table 'text' with hash '[0-9a-f]+' is damaged"):
            store.calls("run")
        with pytest.raises(StoreError, match=r"table 'reply' .* is damaged"):
            store.get("ab" * 32)
        assert store.spans("run")


def test_what_is_no_compressed_text_stays() -> None:
    assert unpacked(zlib.compress("ä".encode())) == "ä"
    for odd in (b"", b"\0", zlib.compress(b"\xff"), "text", 3, None):
        assert unpacked(odd) == odd
