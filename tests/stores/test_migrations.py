from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import create_engine

from apportion.stores import open_store, schema
from apportion.stores.migrations import MIGRATIONS, VERSION
from apportion.stores.row_table import insert_statement

Column = tuple[str, str, int, int, int]


def columns(path: Path) -> dict[str, list[Column]]:
    """By table: name, type, whether it may be NULL, its place in the key, whether it is computed."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {
            table: [
                (name, kind, required, key, hidden)
                for _, name, kind, required, _, key, hidden in connection.execute(f"PRAGMA table_xinfo({table})")
            ]
            for table in tables
        }


def test_all_steps_together_make_what_the_code_reads_and_writes(tmp_path: Path) -> None:
    with open_store(tmp_path / "migrated.db"):
        pass
    engine = create_engine(f"sqlite:///{tmp_path / 'declared.db'}")
    schema.metadata.create_all(engine)
    engine.dispose()
    migrated, declared = columns(tmp_path / "migrated.db"), columns(tmp_path / "declared.db")
    assert {name: migrated[name] for name in declared} == declared


def test_every_schema_has_a_database_to_test_with() -> None:
    databases = Path(__file__).with_name("databases")
    assert len(MIGRATIONS) == VERSION
    assert all((databases / f"schema{number}.sqlite").exists() for number in range(1, VERSION + 1))


def test_what_is_computed_is_not_inserted() -> None:
    assert "used" not in insert_statement(schema.account, "fail")
    assert insert_statement(schema.TASK.table, "keep").endswith("ON CONFLICT (task_id) DO NOTHING")
